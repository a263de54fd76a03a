#include "apps/phasing/support.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"

namespace fringe {
namespace {

Extent half(const Extent& e) { return {e[0] / 2, e[1] / 2, e[2] / 2}; }

std::array<double, 3> centre_of(const Mask& support) {
  double count = 0;
  std::array<double, 3> sum{};
  const auto& e = support.extent;
  Index i = 0;
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w, ++i)
        if (support.data[static_cast<std::size_t>(i)] != 0) {
          count += 1;
          sum[0] += static_cast<double>(d), sum[1] += static_cast<double>(h), sum[2] += static_cast<double>(w);
        }
  for (auto& s : sum) s /= std::max(1.0, count);
  return sum;
}

}  // namespace

Mask occupied(const Volume<Complex>& object) {
  Mask support(object.extent);
  for (std::size_t i = 0; i < support.data.size(); ++i) support.data[i] = object.data[i] != Complex(0);
  return support;
}

Index voxels_in(const Mask& support) {
  return static_cast<Index>(support.data.size()) - std::count(support.data.begin(), support.data.end(), 0);
}

Mask box_support(const Extent& pattern_extent) { return Mask(half(pattern_extent), 1); }

Mask autocorrelation_support(const Pattern& pattern, double threshold, double stretch, int threads) {
  const auto& e = pattern.intensity.extent;
  ComplexField field(e);
  for (Index i = 0; i < field.size(); ++i)
    if (pattern.measured(i))
      field.data[static_cast<std::size_t>(i)] = static_cast<double>(pattern.intensity.data[static_cast<std::size_t>(i)]);
  fourier_inverse(field, threads);
  const double least = threshold * std::abs(field(e[0] / 2, e[1] / 2, e[2] / 2));
  Mask support(half(e));
  const auto& s = support.extent;
  const auto at = [&](Index i, int k) {
    return std::clamp<Index>(e[k] / 2 + std::lround(stretch * static_cast<double>(i - s[k] / 2)), 0, e[k] - 1);
  };
  for (Index d = 0; d < s[0]; ++d)
    for (Index h = 0; h < s[1]; ++h)
      for (Index w = 0; w < s[2]; ++w) support(d, h, w) = std::abs(field(at(d, 0), at(h, 1), at(w, 2))) >= least;
  return support;
}

Volume<float> blurred_amplitude(const Volume<Complex>& object, double sigma) {
  const auto& e = object.extent;
  Volume<float> a(e);
  for (std::size_t i = 0; i < a.data.size(); ++i) a.data[i] = std::abs(object.data[i]);
  const auto reach = static_cast<Index>(std::ceil(3 * sigma));
  if (!(sigma > 0)) return a;
  std::vector<float> weight(static_cast<std::size_t>(reach + 1));
  for (Index i = 0; i <= reach; ++i)
    weight[static_cast<std::size_t>(i)] = static_cast<float>(std::exp(-static_cast<double>(i * i) / (2 * sigma * sigma)));
  Volume<float> out(e);
  const Index stride[3] = {e[1] * e[2], e[2], 1};
  for (int axis = 2; axis >= 0; --axis) {
    const Index n = e[axis], s = stride[axis];
    // Rows of `inner` neighbours in memory are added at once, n of them for each of `outer` blocks.
    const Index inner = axis == 2 ? 1 : s, outer = a.size() / (n * inner);
    for (Index o = 0; o < outer; ++o)
      for (Index i = 0; i < n; ++i) {
        float* to = out.data.data() + o * n * inner + i * inner;
        std::fill(to, to + inner, 0.0F);
        float total = 0;
        for (Index j = std::max<Index>(0, i - reach); j <= std::min(n - 1, i + reach); ++j) {
          const float c = weight[static_cast<std::size_t>(std::abs(i - j))];
          const float* from = a.data.data() + o * n * inner + j * inner;
          for (Index k = 0; k < inner; ++k) to[k] += c * from[k];
          total += c;
        }
        for (Index k = 0; k < inner; ++k) to[k] /= total;
      }
    std::swap(a, out);
  }
  return a;
}

double threshold_of(const ShrinkWrap& o, Index start) {
  const double turn = (static_cast<double>(start) + 0.5) * 0.6180339887498949;
  return o.threshold * std::pow(o.last_threshold / o.threshold, turn - std::floor(turn));
}

Mask shrink_wrap(const Volume<Complex>& object, Index margin, const Mask& before, const ShrinkWrap& o, double threshold,
                 double sigma) {
  const auto& s = before.extent;
  for (int k = 0; k < 3; ++k)
    require(object.extent[k] == s[k] + 2 * margin, "shrink-wrap: object and support have different extents");
  const auto blurred = pad_or_crop(blurred_amplitude(object, sigma), s);
  double reference = 0;
  if (o.of == ThresholdOf::maximum) {
    reference = static_cast<double>(*std::max_element(blurred.data.begin(), blurred.data.end()));
  } else {
    double squares = 0, cubes = 0, count = 0;
    for (std::size_t i = 0; i < blurred.data.size(); ++i) {
      const auto v = static_cast<double>(blurred.data[i]);
      if (o.of == ThresholdOf::rms && before.data[i] == 0) continue;
      squares += v * v, cubes += v * v * v, count += 1;
    }
    if (o.of == ThresholdOf::rms)
      reference = std::sqrt(squares / std::max(1.0, count));
    else
      reference = squares > 0 ? cubes / squares : 0;
  }
  double level = threshold * reference;
  // The level that the n-th brightest voxel just reaches.
  const auto level_for = [&](double share) {
    const auto n = std::clamp<std::size_t>(static_cast<std::size_t>(share * 8 * static_cast<double>(blurred.data.size())), 1,
                                           blurred.data.size());
    auto sorted = blurred.data;
    const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(n - 1);
    std::nth_element(sorted.begin(), at, sorted.end(), std::greater<>());
    return static_cast<double>(*at);
  };
  level = std::clamp(level, level_for(o.most), level_for(o.least));
  Mask support(s);
  for (std::size_t i = 0; i < support.data.size(); ++i)
    support.data[i] = blurred.data[i] > 0 && static_cast<double>(blurred.data[i]) >= level;
  return support;
}

std::array<Index, 3> centring_shift(const Mask& support) {
  const auto centre = centre_of(support);
  const auto& e = support.extent;
  std::array<Index, 3> shift{};
  for (int k = 0; k < 3; ++k) shift[k] = std::lround(static_cast<double>(e[k] / 2) - centre[k]);
  if (voxels_in(moved(support, shift)) != voxels_in(support)) return {};
  return shift;
}

Mask moved(const Mask& support, const std::array<Index, 3>& shift) {
  const auto& e = support.extent;
  Mask out(e);
  const auto inside = [&](Index i, int k) { return i >= 0 && i < e[k]; };
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w)
        if (support(d, h, w) != 0 && inside(d + shift[0], 0) && inside(h + shift[1], 1) && inside(w + shift[2], 2))
          out(d + shift[0], h + shift[1], w + shift[2]) = 1;
  return out;
}

Mask half_of(const Mask& support) {
  const double centre = centre_of(support)[0];
  Mask out = support;
  const Index plane = support.extent[1] * support.extent[2];
  for (Index i = 0; i < support.size(); ++i)
    if (static_cast<double>(i / plane) < centre) out.data[static_cast<std::size_t>(i)] = 0;
  return out;
}

}  // namespace fringe

#include "kernels/shrink_support.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

namespace fringe {

Index shrink_support::reach(double sigma) { return static_cast<Index>(std::ceil(3 * sigma)); }

void shrink_support::require_blur(double sigma, const Shape& x, const Shape& b) {
  require(x.c == 2, "blurred_amplitude: x has {} channels, expected 2 (real, imaginary)", x.c);
  require_shape("blurred_amplitude", "b", b, {x.n, x.d / 2, x.h / 2, x.w / 2, 1});
  require(sigma >= 0 && reach(sigma) <= most_reach, "blurred_amplitude: sigma is {}, at least 0 and at most {} are possible",
          sigma, most_reach / 3);
}

void shrink_support::require_shapes(const ShrinkSupportParams& p, const Shape& thresholds, const Shape& b, const Shape& before,
                                    const Shape& support, const Shape& stats) {
  require(p.least >= 1 && p.most >= p.least && b.voxels() >= p.most,
          "shrink_support: {} to {} voxels of {}; 1 <= least <= most <= all is the rule", p.least, p.most, b.voxels());
  require_shape("shrink_support", "b", b, b.with_channels(1));
  require_shape("shrink_support", "thresholds", thresholds, sample_vector(b.n));
  require_shape("shrink_support", "support before", before, b);
  require_shape("shrink_support", "support", support, b);
  require_shape("shrink_support", "stats", stats, {b.n, 1, 1, 1, 4});
}

void shrink_support::require_roll(const Shape& stats, const Shape& x, const Shape& y) {
  require_shape("roll", "y", y, x);
  require_shape("roll", "stats", stats, {x.n, 1, 1, 1, 4});
}

namespace reference {
namespace {
Index wrapped(Index i, Index n) { return (i % n + n) % n; }
}  // namespace

template <class T>
void blurred_amplitude(Stream&, T sigma, ConstView<T> x, View<T> b) {
  shrink_support::require_blur(sigma, x.shape, b.shape);
  const Index reach = shrink_support::reach(sigma);
  const Shape &s = x.shape, &box = b.shape;
  const auto g = [&](Index t) { return reach == 0 ? 1.0 : std::exp(-static_cast<double>(t * t) / (2.0 * sigma * sigma)); };
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < box.d; ++d)
      for (Index h = 0; h < box.h; ++h)
        for (Index w = 0; w < box.w; ++w) {
          double sum = 0, weights = 0;
          for (Index i = -reach; i <= reach; ++i)
            for (Index j = -reach; j <= reach; ++j)
              for (Index k = -reach; k <= reach; ++k) {
                const Index at[3] = {wrapped(d - s.d / 4 + i, s.d), wrapped(h - s.h / 4 + j, s.h),
                                     wrapped(w - s.w / 4 + k, s.w)};
                const double weight = g(i) * g(j) * g(k), re = x(n, at[0], at[1], at[2], 0), im = x(n, at[0], at[1], at[2], 1);
                sum += weight * std::sqrt(re * re + im * im);  // (1)
                weights += weight;
              }
          b(n, d, h, w, 0) = static_cast<T>(sum / weights);
        }
}

template <class T>
void shrink_support(Stream&, const ShrinkSupportParams& o, ConstView<T> thresholds, ConstView<T> b, ConstView<T> before,
                    View<T> support, View<T> stats) {
  shrink_support::require_shapes(o, thresholds.shape, b.shape, before.shape, support.shape, stats.shape);
  const Shape& box = b.shape;
  const Index voxels = box.voxels();
  for (Index n = 0; n < box.n; ++n) {
    const std::vector<T> values(b.data + n * voxels, b.data + (n + 1) * voxels);
    std::vector<T> sorted = values;
    std::sort(sorted.begin(), sorted.end(), std::greater<>());
    double squares = 0, cubes = 0, within = 0, count = 0;
    for (Index i = 0; i < voxels; ++i) {
      const double v = values[static_cast<std::size_t>(i)];
      squares += v * v, cubes += v * v * v;
      if (before[n * voxels + i] != 0) within += v * v, count += 1;
    }
    const double reference = o.of == ThresholdOf::maximum ? static_cast<double>(sorted.front())
                             : o.of == ThresholdOf::rms   ? std::sqrt(within / std::max(1.0, count))
                             : squares > 0                ? cubes / squares
                                                          : 0;
    const auto ranked = [&](Index k) { return static_cast<double>(sorted[static_cast<std::size_t>(k - 1)]); };
    const double level = std::clamp(static_cast<double>(thresholds[n]) * reference, ranked(o.most), ranked(o.least));  // (2)
    std::vector<std::array<Index, 3>> in;
    double centre[3] = {};
    for (Index i = 0; i < voxels; ++i) {
      const T v = values[static_cast<std::size_t>(i)];
      if (!(v > 0 && static_cast<double>(v) >= level)) continue;  // (3)
      in.push_back({i / (box.h * box.w), i / box.w % box.h, i % box.w});
      for (std::size_t k = 0; k < 3; ++k) centre[k] += static_cast<double>(in.back()[k]);
    }
    const std::array<Index, 3> extent{box.d, box.h, box.w};
    std::array<Index, 3> shift{};
    for (std::size_t k = 0; k < 3; ++k)
      if (!in.empty()) shift[k] = std::lround(static_cast<double>(extent[k] / 2) - centre[k] / static_cast<double>(in.size()));
    for (const auto& r : in)
      for (std::size_t k = 0; k < 3; ++k)
        if (r[k] + shift[k] < 0 || r[k] + shift[k] >= extent[k]) {
          shift = {};  // (4); the others stay inside then
          break;
        }
    std::fill(support.data + n * voxels, support.data + (n + 1) * voxels, T(0));
    for (const auto& r : in) support(n, r[0] + shift[0], r[1] + shift[1], r[2] + shift[2], 0) = 1;  // (5)
    for (std::size_t k = 0; k < 3; ++k) stats[4 * n + static_cast<Index>(k)] = static_cast<T>(shift[k]);
    stats[4 * n + 3] = static_cast<T>(in.size());
  }
}

template <class T>
void roll(Stream&, ConstView<T> stats, ConstView<T> x, View<T> y) {
  shrink_support::require_roll(stats.shape, x.shape, y.shape);
  const Shape& s = x.shape;
  for (Index n = 0; n < s.n; ++n) {
    const auto shift = [&](Index k) { return static_cast<Index>(stats[4 * n + k]); };
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c)
            y(n, wrapped(d + shift(0), s.d), wrapped(h + shift(1), s.h), wrapped(w + shift(2), s.w), c) =
                x(n, d, h, w, c);  // (6)
  }
}

template BlurredAmplitude<float> blurred_amplitude<float>;
template BlurredAmplitude<double> blurred_amplitude<double>;
template ShrinkSupport<float> shrink_support<float>;
template ShrinkSupport<double> shrink_support<double>;
template Roll<float> roll<float>;
template Roll<double> roll<double>;

}  // namespace reference
}  // namespace fringe

// Strategy: the planes of all crystals are dealt to the threads; sums of planes are added in their order. Smooth densities look
// at each corner once, for the eight voxels that have it.
#include "kernels/crystal.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "kernels/cpu/parallel.h"
#include "kernels/philox.h"

namespace fringe::cpu {

void crystal_density(Stream& stream, std::span<const CrystalForm> forms, bool smooth, View<float> density, View<float> stats) {
  crystals::require_density(forms.size(), density.shape, stats.shape);
  const Shape& s = density.shape;
  double* const sums = stream.scratch<double>(2 * s.n * s.d);
  const auto at = [](Index i, Index extent) { return static_cast<double>(i - extent / 2); };
  const Shape grid{s.n, s.d + 1, s.h + 1, s.w + 1, 1};
  const View<bool> corner{smooth ? stream.workspace<bool>(grid.size()) : nullptr, grid};  // before voxel (d, h, w)
  if (smooth)
    parallel_tasks(stream, grid.n * grid.d, [&](Index task) {
      const Index n = task / grid.d, d = task % grid.d;
      for (Index h = 0; h < grid.h; ++h)
        for (Index w = 0; w < grid.w; ++w)
          corner(n, d, h, w, 0) = crystals::inside(forms[static_cast<std::size_t>(n)], at(d, s.d) - 0.5, at(h, s.h) - 0.5,
                                                  at(w, s.w) - 0.5);
    });
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const Index n = task / s.d, d = task % s.d;
    const CrystalForm& form = forms[static_cast<std::size_t>(n)];
    double sum = 0, faces = 0;
    for (Index h = 0; h < s.h; ++h)
      for (Index w = 0; w < s.w; ++w) {
        int corners = 0;
        for (Index i = 0; smooth && i < 8; ++i) corners += corner(n, d + i / 4, h + i / 2 % 2, w + i % 2, 0);
        const bool centre = crystals::inside(form, at(d, s.d), at(h, s.h), at(w, s.w));
        const double v =
            smooth ? crystals::smooth_density(form, at(d, s.d), at(h, s.h), at(w, s.w), centre, corners) : centre;
        density(n, d, h, w, 0) = static_cast<float>(v);  // (3)
        sum += v;
        const bool face = d == 0 || h == 0 || w == 0 || d == s.d - 1 || h == s.h - 1 || w == s.w - 1;
        if (face && v > 0) faces += 1;
      }
    sums[2 * task] = sum, sums[2 * task + 1] = faces;
  });
  for (Index n = 0; n < s.n; ++n)
    for (Index k = 0; k < 2; ++k) {
      double total = 0;
      for (Index d = 0; d < s.d; ++d) total += sums[2 * (n * s.d + d) + k];
      stats[2 * n + k] = static_cast<float>(total);  // (4)
    }
}

void phase_noise(Stream& stream, std::uint64_t seed, std::uint32_t purpose, std::span<const std::uint64_t> series,
                 View<float> noise) {
  crystals::require_field("phase_noise", series.size(), noise.shape);
  const Shape& s = noise.shape;
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const auto n = static_cast<std::size_t>(task / s.d), d = static_cast<std::size_t>(task % s.d);
    philox::OpenUnits units(seed, purpose, series[n] << 16 | d);
    float* const plane = noise.data + 2 * task * s.h * s.w;
    for (Index i = 0; i < s.h * s.w; ++i) {
      const double radius = std::sqrt(-2 * std::log(units.next()));
      plane[2 * i] = static_cast<float>(radius * std::cos(2 * std::numbers::pi * units.next()));  // (5)
      plane[2 * i + 1] = 0;
    }
  });
}

void gaussian_filter(Stream& stream, std::span<const std::array<double, 3>> lengths, double factor, ConstView<float> x,
                     View<float> y) {
  crystals::require_field("gaussian_filter", lengths.size(), x.shape);
  require_shape("gaussian_filter", "y", y.shape, x.shape);
  const Shape& s = x.shape;
  // exp(-(pi L q)^2) along W, for each crystal.
  float* const along_w = stream.scratch<float>(s.n * s.w);
  for (Index i = 0; i < s.n * s.w; ++i)
    along_w[i] = static_cast<float>(std::exp(-crystals::exponent(i % s.w, s.w, lengths[static_cast<std::size_t>(i / s.w)][2])));
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const Index n = task / s.d, d = task % s.d;
    const auto& l = lengths[static_cast<std::size_t>(n)];
    for (Index h = 0; h < s.h; ++h) {
      const auto outer =
          static_cast<float>(factor * std::exp(-crystals::exponent(d, s.d, l[0]) - crystals::exponent(h, s.h, l[1])));
      const Index row = 2 * (task * s.h + h) * s.w;
      for (Index w = 0; w < s.w; ++w)
        for (Index i = row + 2 * w; i < row + 2 * w + 2; ++i) y[i] = outer * along_w[n * s.w + w] * x[i];  // (6)
    }
  });
}

void crystal_object(Stream& stream, std::span<const double> ranges, ConstView<float> density, ConstView<float> field,
                    View<float> object) {
  crystals::require_object(ranges.size(), density.shape, field.shape, object.shape);
  const Shape &s = density.shape, &f = field.shape;
  parallel_tasks(stream, s.n, [&](Index n) {
    const auto row = [&](Index d, Index h) {
      return &field(n, f.d / 2 - s.d / 2 + d, f.h / 2 - s.h / 2 + h, f.w / 2 - s.w / 2, 0);
    };
    float low = std::numeric_limits<float>::infinity(), high = -low;
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          if (density(n, d, h, w, 0) > 0) low = std::min(low, row(d, h)[2 * w]), high = std::max(high, row(d, h)[2 * w]);
    const double slope =
        high > low ? ranges[static_cast<std::size_t>(n)] / (static_cast<double>(high) - static_cast<double>(low)) : 0;
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) {
          const float a = density(n, d, h, w, 0);
          const auto phase =
              static_cast<float>(a > 0 ? slope * (static_cast<double>(row(d, h)[2 * w]) - static_cast<double>(low)) : 0);
          object(n, d, h, w, 0) = a * std::cos(phase);  // (7)
          object(n, d, h, w, 1) = a * std::sin(phase);
        }
  });
}

}  // namespace fringe::cpu

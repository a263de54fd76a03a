#include "kernels/crystal.h"

#include <algorithm>
#include <limits>
#include <numbers>

#include "kernels/philox.h"

namespace fringe {

void crystals::require_density(std::size_t forms, const Shape& density, const Shape& stats) {
  require(static_cast<Index>(forms) == density.n, "crystal_density: {} forms for {} crystals", forms, density.n);
  require_shape("crystal_density", "density", density, density.with_channels(1));
  require_shape("crystal_density", "stats", stats, {density.n, 1, 1, 1, 2});
}
void crystals::require_field(const char* operation, std::size_t items, const Shape& field) {
  require(static_cast<Index>(items) == field.n, "{}: {} numbers for {} crystals", operation, items, field.n);
  require_shape(operation, "field", field, field.with_channels(2));
}
void crystals::require_object(std::size_t ranges, const Shape& density, const Shape& field, const Shape& object) {
  require_field("crystal_object", ranges, field);
  require_shape("crystal_object", "density", density, density.with_channels(1));
  require_shape("crystal_object", "object", object, density.with_channels(2));
  require(density.n == field.n && density.d <= field.d && density.h <= field.h && density.w <= field.w,
          "crystal_object: a field of shape {} does not lie around a density of shape {}", field.str(), density.str());
}

namespace reference {

template <class T>
void crystal_density(Stream&, std::span<const CrystalForm> forms, bool smooth, View<T> density, View<T> stats) {
  crystals::require_density(forms.size(), density.shape, stats.shape);
  const Shape& s = density.shape;
  for (Index n = 0; n < s.n; ++n) {
    double sum = 0, faces = 0;
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) {
          const auto at = [](Index i, Index extent) { return static_cast<double>(i - extent / 2); };
          const double v = crystals::density(forms[static_cast<std::size_t>(n)], at(d, s.d), at(h, s.h), at(w, s.w), smooth);
          density(n, d, h, w, 0) = static_cast<T>(v);  // (3)
          sum += v;
          const bool face = d == 0 || h == 0 || w == 0 || d == s.d - 1 || h == s.h - 1 || w == s.w - 1;
          if (face && v > 0) faces += 1;
        }
    stats[2 * n] = static_cast<T>(sum);  // (4)
    stats[2 * n + 1] = static_cast<T>(faces);
  }
}

template <class T>
void phase_noise(Stream&, std::uint64_t seed, std::uint32_t purpose, std::span<const std::uint64_t> series, View<T> noise) {
  crystals::require_field("phase_noise", series.size(), noise.shape);
  const Shape& s = noise.shape;
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d) {
      philox::OpenUnits units(seed, purpose, series[static_cast<std::size_t>(n)] << 16 | static_cast<std::uint64_t>(d));
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) {
          const double radius = std::sqrt(-2 * std::log(units.next()));
          noise(n, d, h, w, 0) = static_cast<T>(radius * std::cos(2 * std::numbers::pi * units.next()));  // (5)
          noise(n, d, h, w, 1) = 0;
        }
    }
}

template <class T>
void gaussian_filter(Stream&, std::span<const std::array<double, 3>> lengths, double factor, ConstView<T> x, View<T> y) {
  crystals::require_field("gaussian_filter", lengths.size(), x.shape);
  require_shape("gaussian_filter", "y", y.shape, x.shape);
  const Shape& s = x.shape;
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < 2; ++c) {
            const auto& l = lengths[static_cast<std::size_t>(n)];
            const double exponent =
                crystals::exponent(d, s.d, l[0]) + crystals::exponent(h, s.h, l[1]) + crystals::exponent(w, s.w, l[2]);
            y(n, d, h, w, c) = static_cast<T>(factor * std::exp(-exponent) * static_cast<double>(x(n, d, h, w, c)));  // (6)
          }
}

template <class T>
void crystal_object(Stream&, std::span<const double> ranges, ConstView<T> density, ConstView<T> field, View<T> object) {
  crystals::require_object(ranges.size(), density.shape, field.shape, object.shape);
  const Shape &s = density.shape, &f = field.shape;
  const auto over_voxels = [&](const auto& body) {
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) body(d, h, w);
  };
  for (Index n = 0; n < s.n; ++n) {
    const auto phi = [&](Index d, Index h, Index w) {
      return static_cast<double>(field(n, f.d / 2 - s.d / 2 + d, f.h / 2 - s.h / 2 + h, f.w / 2 - s.w / 2 + w, 0));
    };
    double low = std::numeric_limits<double>::infinity(), high = -low;
    over_voxels([&](Index d, Index h, Index w) {
      if (!(density(n, d, h, w, 0) > 0)) return;
      low = std::min(low, phi(d, h, w)), high = std::max(high, phi(d, h, w));
    });
    const double slope = high > low ? ranges[static_cast<std::size_t>(n)] / (high - low) : 0;
    over_voxels([&](Index d, Index h, Index w) {
      const double a = density(n, d, h, w, 0), phase = a > 0 ? slope * (phi(d, h, w) - low) : 0;
      object(n, d, h, w, 0) = static_cast<T>(a * std::cos(phase));  // (7)
      object(n, d, h, w, 1) = static_cast<T>(a * std::sin(phase));
    });
  }
}

template CrystalDensity<float> crystal_density<float>;
template CrystalDensity<double> crystal_density<double>;
template PhaseNoise<float> phase_noise<float>;
template PhaseNoise<double> phase_noise<double>;
template GaussianFilter<float> gaussian_filter<float>;
template GaussianFilter<double> gaussian_filter<double>;
template CrystalObject<float> crystal_object<float>;
template CrystalObject<double> crystal_object<double>;

}  // namespace reference
}  // namespace fringe

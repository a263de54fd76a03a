#include "apps/phasing/uncertainty.h"

#include <cmath>
#include <numbers>

#include "kernels/error.h"

namespace fringe {

Uncertainty uncertainty(const std::vector<Volume<Complex>>& objects) {
  require(!objects.empty(), "uncertainty: no objects");
  const Extent& extent = objects[0].extent;
  for (const auto& o : objects) require(o.extent == extent, "uncertainty: objects of different extents");
  const auto count = static_cast<double>(objects.size());
  const double freedom = std::max(1.0, count - 1);
  Uncertainty u{Volume<float>(extent), Volume<float>(extent), Volume<float>(extent), Volume<float>(extent)};
  for (std::size_t i = 0; i < u.phase_std.data.size(); ++i) {
    double amplitudes = 0, squares = 0, phases = 0;
    std::complex<double> sum = 0;
    for (const auto& o : objects) {
      sum += std::complex<double>(o.data[i]);
      amplitudes += std::abs(std::complex<double>(o.data[i]));
    }
    const double mean = amplitudes / count, direction = std::arg(sum);
    for (const auto& o : objects) {
      const auto v = std::complex<double>(o.data[i]);
      const double a = std::abs(v), d = std::remainder(std::arg(v) - direction, 2 * std::numbers::pi);
      squares += (a - mean) * (a - mean);
      phases += a * d * d;
    }
    u.amplitude_mean.data[i] = static_cast<float>(mean);
    u.amplitude_std.data[i] = static_cast<float>(std::sqrt(squares / freedom));
    u.phase_mean.data[i] = static_cast<float>(direction);
    if (amplitudes > 0) u.phase_std.data[i] = static_cast<float>(std::sqrt(count / freedom * phases / amplitudes));
  }
  return u;
}

}  // namespace fringe

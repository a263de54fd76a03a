#include "apps/phasing/random.h"

#include <cmath>
#include <numbers>

#include "kernels/error.h"
#include "kernels/philox.h"

namespace fringe {
std::uint32_t Random::bits() {
  if (left_ == 0) {
    block_ = philox::block(counter_, key_);
    ++counter_[0];
    left_ = 4;
  }
  return block_[static_cast<std::size_t>(4 - left_--)];
}

double Random::uniform() {
  const std::uint64_t high = bits() >> 5, low = bits() >> 6;  // 27 + 26 bits
  return (static_cast<double>(high << 26 | low) + 0.5) * 0x1p-53;
}

double Random::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Random::poisson(double mean) {
  require(mean >= 0 && std::isfinite(mean), "poisson: the mean must be finite and not negative, not {}", mean);
  if (mean == 0) return 0;
  if (mean < 10) {
    const double u = uniform();
    double k = 0, p = std::exp(-mean), sum = p;
    while (u > sum && p > 1e-300) {
      ++k;
      p *= mean / k;
      sum += p;
    }
    return k;
  }
  const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = uniform() - 0.5, v = uniform(), us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * std::log(mean) - mean - std::lgamma(k + 1)) return k;
  }
}

}  // namespace fringe

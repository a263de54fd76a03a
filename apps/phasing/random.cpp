#include "apps/phasing/random.h"

#include <cmath>
#include <numbers>

#include "kernels/error.h"
#include "kernels/photon_noise.h"

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
  const std::uint32_t high = bits(), low = bits();
  return philox::open_unit(high, low);
}

double Random::uniform(double low, double high) { return low + (high - low) * uniform(); }

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Random::poisson(double mean) {
  require(mean >= 0 && std::isfinite(mean), "poisson: the mean must be finite and not negative, not {}", mean);
  struct {
    Random& random;
    double next() { return random.uniform(); }
  } units{*this};
  return photon_noise::poisson(units, mean);
}

}  // namespace fringe

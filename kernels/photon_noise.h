// photon_noise: what a detector counts of an intensity, of which so many photons are expected in all.
//
//   (1)  mean_i = photons_n x_i / sum of the sample's x
//   (2)  y_i = a Poisson deviate of mean_i, from the sequence (seed, purpose, index_n 2^32 + i) of philox::OpenUnits; mean_i
//        itself of an exposure without noise; x_i where photons_n = 0
// Inversion by sequential search below a mean of 10, Hoermann's transformed rejection above.
//
// Shapes   x, y (N,D,H,W,1), x >= 0 with at most 2^32 voxels a sample, not 0 everywhere; a list of N exposures.
// Aliases  y may be x.
// Numerics the sum and the deviates in double: the same counts on every backend, but where rounding moves the mean.
// Source   Hoermann, Insurance: Mathematics and Economics 12, 39 (1993), doi 10.1016/0167-6687(93)90997-4.
#pragma once
#include <cmath>
#include <cstdint>
#include <span>

#include "kernels/philox.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct PhotonExposure {
  double photons = 0;
  std::uint64_t index = 0;
  bool noise = true;
};

template <class T>
using PhotonNoise = void(Stream&, std::uint64_t seed, std::uint32_t purpose, std::span<const PhotonExposure>, ConstView<T> x,
                         View<T> y);

/// Templates and constexpr, so that every backend's compiler makes its own of them.
namespace photon_noise {

/// ln k!, by Stirling's series from 10 on: to 2e-14.
template <class R>
constexpr R log_factorial(R k) {
  R x = k + 1, product = 1;
  for (; x < 10; x += 1) product *= x;
  const R r = 1 / x, r2 = r * r;
  const R series = r * (1.0 / 12 - r2 * (1.0 / 360 - r2 * (1.0 / 1260 - r2 * (1.0 / 1680 - r2 * (1.0 / 1188)))));
  return (x - 0.5) * std::log(x) - x + 0.9189385332046727 + series - std::log(product);
}

/// A deviate of this mean, from numbers in (0, 1).
template <class Units>
constexpr double poisson(Units& units, double mean) {
  if (!(mean > 0)) return 0;
  if (mean < 10) {
    const double u = units.next();
    double k = 0, p = std::exp(-mean), sum = p;
    while (u > sum && p > 1e-300) {
      k += 1;
      p *= mean / k;
      sum += p;
    }
    return k;
  }
  const double b = 0.931 + 2.53 * std::sqrt(mean), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), v_r = 0.9277 - 3.6224 / (b - 2), log_mean = std::log(mean);
  for (;;) {
    const double u = units.next() - 0.5, v = units.next(), us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + mean + 0.43);
    if (us >= 0.07 && v <= v_r) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * log_mean - mean - log_factorial(k)) return k;
  }
}

/// (1) and (2) of voxel i, whose intensity is x; scale = photons_n / sum.
template <class R>
constexpr R counted(const PhotonExposure& e, std::uint64_t seed, std::uint32_t purpose, std::uint64_t i, R x, R scale) {
  if (!(e.photons > 0)) return x;
  const R mean = scale * x;
  if (!e.noise) return mean;
  philox::OpenUnits units(seed, purpose, e.index << 32 | i);
  return poisson(units, mean);
}

/// Throws unless the shapes fit.
void require_shapes(std::size_t exposures, const Shape& x, const Shape& y);

}  // namespace photon_noise

namespace reference {
template <class T>
PhotonNoise<T> photon_noise;
}
namespace cpu {
PhotonNoise<float> photon_noise;
}
namespace cuda {
PhotonNoise<float> photon_noise;
}

}  // namespace fringe

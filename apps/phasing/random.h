// Random numbers of the physics: counter based, so that voxel 17 draws the same numbers whoever computes it, and results
// do not depend on the number of threads.
#pragma once
#include <array>
#include <cstdint>

namespace fringe {

/// What the numbers are for: draws for different purposes never share numbers, however many each takes.
enum class Draw : std::uint32_t {
  shape = 1,
  phase_noise = 2,
  photons = 3,
  free_voxels = 4,
  test = 5,
  initial_phase = 6,
  specimen = 7,
  order = 8,
  orientation = 9,
  starting_phase = 20
};

/// The sequence of random numbers that belongs to (seed, purpose, index): Philox4x32-10 (Salmon, Moraes, Dror and Shaw,
/// SC 2011, doi 10.1145/2063384.2063405) with key = seed and counter = (block, purpose, index).
class Random {
 public:
  Random(std::uint64_t seed, Draw purpose, std::uint64_t index)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, static_cast<std::uint32_t>(purpose), static_cast<std::uint32_t>(index),
                 static_cast<std::uint32_t>(index >> 32)} {}

  std::uint32_t bits();                     ///< 32 of them, uniform
  double uniform();                         ///< in (0, 1), both ends excluded, 53 bits
  double uniform(double low, double high);  ///< in (low, high)
  double normal();                          ///< mean 0, variance 1 (Box and Muller)

  /// A Poisson deviate, exact for every mean >= 0 (kernels/photon_noise.h).
  double poisson(double mean);

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_, block_{};
  int left_ = 0;
};

}  // namespace fringe

// philox: counter-based random numbers, the same on every backend and number of threads.
//
//   Element i of a fill is a function of (seed, stream, i) only: block i/4 of Philox4x32-10 with key = seed and counter =
//   (i/4, stream), word i%4.
//   (1)  uniform  u = (word >> 8) * 2^-24            in [0, 1)
//   (2)  normal   pairs of words (Box-Muller): r = sqrt(-2 ln(1 - u0)), (r cos(2 pi u1), r sin(2 pi u1)), in double,
//                 rounded to T; u0 has 32 bits, so |z| < 6.7
//
// Source   Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11, doi:10.1145/2063384.2063405.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

namespace philox {

using Block = std::array<std::uint32_t, 4>;

/// The ten-round bijection of Salmon et al.
constexpr Block block(Block counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0], b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

/// Four random words for block `index` of (seed, stream).
constexpr Block words(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return block({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
                static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
               {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

/// Element i of uniform fill (1).
inline double uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  return static_cast<double>(words(seed, stream, i / 4)[i % 4] >> 8) * 0x1p-24;
}

/// Element i of normal fill (2).
inline double normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t i) {
  const Block w = words(seed, stream, i / 4);
  const std::size_t pair = i % 4 / 2 * 2;
  const double u0 = w[pair] * 0x1p-32, u1 = w[pair + 1] * 0x1p-32;
  const double r = std::sqrt(-2 * std::log1p(-u0)), angle = 2 * std::numbers::pi * u1;
  return i % 2 == 0 ? r * std::cos(angle) : r * std::sin(angle);
}

/// A number of 53 bits in (0, 1), both ends excluded, from two words.
constexpr double open_unit(std::uint32_t high, std::uint32_t low) {
  return (static_cast<double>(std::uint64_t{high >> 5} << 26 | low >> 6) + 0.5) * 0x1p-53;
}

/// Such numbers, one after another, of (seed, purpose, index): key = seed, counter = (block, purpose, index), two of a block.
class OpenUnits {
 public:
  constexpr OpenUnits(std::uint64_t seed, std::uint32_t purpose, std::uint64_t index)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, purpose, static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32)} {}
  constexpr double next() {
    second_ = !second_;
    if (!second_) return open_unit(block_[2], block_[3]);
    block_ = block(counter_, key_);
    ++counter_[0];
    return open_unit(block_[0], block_[1]);
  }

 private:
  std::array<std::uint32_t, 2> key_;
  Block counter_, block_{};
  bool second_ = false;  ///< whether the block's second number comes next
};

/// A sequence of numbers from one (seed, stream): for code that draws a few, one after another.
class Sequence {
 public:
  Sequence(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}
  double uniform() { return philox::uniform(seed_, stream_, next_++); }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal() {
    next_ += next_ % 2;
    const double z = philox::normal(seed_, stream_, next_);
    next_ += 2;
    return z;
  }

 private:
  std::uint64_t seed_, stream_, next_ = 0;
};

}  // namespace philox

template <class T>
using PhiloxFill = void(Stream&, std::uint64_t seed, std::uint64_t stream_id, View<T> y);

namespace reference {
template <class T>
PhiloxFill<T> philox_uniform;
template <class T>
PhiloxFill<T> philox_normal;
}  // namespace reference
namespace cpu {
PhiloxFill<float> philox_uniform;
PhiloxFill<float> philox_normal;
}  // namespace cpu
namespace cuda {
PhiloxFill<float> philox_uniform;
PhiloxFill<float> philox_normal;
}  // namespace cuda

}  // namespace fringe

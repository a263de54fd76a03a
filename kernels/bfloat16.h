// bfloat16: the upper half of a float, 8 bits of exponent and 7 of fraction. A format of factors and of storage: all sums are
// in float.
#pragma once
#include <bit>
#include <cstdint>

namespace fringe {

struct bfloat16 {
  std::uint16_t bits;
};

/// To the nearest value that a bfloat16 has, the even one of two; NaN stays one.
constexpr float to_bfloat16(float v) {
  if (v != v) return v;
  const auto bits = std::bit_cast<std::uint32_t>(v);
  return std::bit_cast<float>((bits + 0x7FFFU + (bits >> 16 & 1U)) & 0xFFFF0000U);
}
/// The same for the double that a reference computes with, whose range is taken to be float's.
constexpr double to_bfloat16(double v) {
  if (v != v) return v;
  const auto bits = std::bit_cast<std::uint64_t>(v);
  constexpr int dropped = 52 - 7;
  constexpr std::uint64_t below = (std::uint64_t{1} << (dropped - 1)) - 1;
  return std::bit_cast<double>((bits + below + (bits >> dropped & 1U)) >> dropped << dropped);
}

constexpr float value_of(bfloat16 v) { return std::bit_cast<float>(static_cast<std::uint32_t>(v.bits) << 16); }

}  // namespace fringe

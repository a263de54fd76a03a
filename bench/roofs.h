// What the machine could do, measured on the spot: the two roofs that every kernel is under.
#pragma once
#include <algorithm>
#include <string>

#include "kernels/stream.h"

namespace fringe::bench {

struct Roofs {
  double flops = 0;  ///< [flop/s] of a single-precision matrix product whose operands lie in the first-level cache; 0: unknown
  double bytes = 0;  ///< [B/s] read plus written, of a copy much larger than the caches

  /// Of the time the slower roof would need.
  double share(const Cost& cost, double seconds) const {
    return std::max(flops > 0 ? cost.flops / flops : 0, cost.bytes / bytes) / seconds;
  }
};

/// Takes about a second. The matrix product is register blocked for this machine's vectors and never leaves the first-level
/// cache: no library's product of large matrices can be faster.
Roofs measure_roofs(int threads);

/// Of a device: the data sheet's matrix products in the stream's precision, by the device's name, and its own copy, measured.
Roofs device_roofs(const Stream& stream, const std::string& device);

}  // namespace fringe::bench

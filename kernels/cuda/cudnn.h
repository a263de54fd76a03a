// Convolutions by cuDNN, where it is installed: an oracle in the tests on a device, and an alternative to this
// backend's kernels (choices.h). No header of cuDNN here: without_cudnn.cpp stands in where it is not there to build
// with.
#pragma once
#include <array>
#include <compare>
#include <string>

#include "kernels/stream.h"

namespace fringe::cuda::cudnn {

enum class Pass { forward, data, weights };

/// One of the three products of conv3d.h with arrays as they are. cuDNN wants the weights as (Co,Kd,Kh,Kw,Ci), which is
/// ours transposed: a matrix of taps * Ci rows and Co columns.
struct Convolution {
  Pass pass;
  Shape volume;  ///< N, D, H, W
  Shape kernel;  ///< of w
  bool tf32;     ///< else float32 throughout

  auto operator<=>(const Convolution& o) const { return order() <=> o.order(); }
  bool operator==(const Convolution& o) const { return order() == o.order(); }

 private:
  std::array<Index, 11> order() const {
    return {static_cast<Index>(pass),
            volume.n,
            volume.d,
            volume.h,
            volume.w,
            kernel.n,
            kernel.d,
            kernel.h,
            kernel.w,
            kernel.c,
            tf32};
  }
};

/// Whether this machine's cuDNN can do it; it is asked once.
bool can(const Convolution& c);
/// Bytes of work space that run() wants.
std::size_t workspace(const Convolution& c);
/// y, dx or dw from (x, w), (dy, w) or (x, dy): weights and their gradient transposed, see above; no bias. All begin at multiples of 16 bytes. Throws DeviceError.
void run(Stream& stream, const Convolution& c, const float* a, const float* b, float* result, void* workspace);

/// From now on plans are made for the device of these properties, as cuDNN 9.8 and later write them in JSON: can() says what that
/// device could do, with no GPU here; nothing runs. Throws Error for what cuDNN does not take for a description.
void plan_for_device(const std::string& json);

/// "9.12.0"; or empty, and why.
std::string version(std::string& why_none);

}  // namespace fringe::cuda::cudnn

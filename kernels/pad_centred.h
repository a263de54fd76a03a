// pad_centred: an object in the middle of a larger array of zeros; its adjoint cuts the middle out.
//
//   The voxel at index X/2 of the smaller array is the one at index Y/2 of the larger, on every axis:
//   (1)  y[r + Y/2 - X/2] = x[r] inside, 0 outside                    x (N,D,H,W,C), y at least as large
//   (2)  dx[r] = dy[r + Y/2 - X/2]
// pad_centred_forward computes (1); pad_centred_backward, (2), is also the centred crop, whose gradient is (1).
//
// Saved    nothing.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using PadCentredForward = void(Stream&, ConstView<T> x, View<T> y);
template <class T>
using PadCentredBackward = void(Stream&, ConstView<T> dy, View<T> dx);

namespace pad_centred {
/// Throws unless `large` is at least as large as `small` and has its samples and channels.
void require_shapes(const Shape& small, const Shape& large);
}  // namespace pad_centred

namespace reference {
template <class T>
PadCentredForward<T> pad_centred_forward;
template <class T>
PadCentredBackward<T> pad_centred_backward;
}  // namespace reference
namespace cpu {
PadCentredForward<float> pad_centred_forward;
PadCentredBackward<float> pad_centred_backward;
}  // namespace cpu
namespace cuda {
PadCentredForward<float> pad_centred_forward;
PadCentredBackward<float> pad_centred_backward;
}  // namespace cuda

}  // namespace fringe

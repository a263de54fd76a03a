// max_pool: the largest of every 2x2x2 voxels, per channel.
//
//   (1)  y[n,d,h,w,c] = max over (i,j,k) in {0,1}^3 of x[n, 2d+i, 2h+j, 2w+k, c]
//   (2)  dx = dy at the voxel that was largest, 0 at the other seven
//
// Shapes   x (N,D,H,W,C) with even D, H, W; y (N,D/2,H/2,W/2,C).
// Saved    which[n,d,h,w,c] = 4i + 2j + k of the largest voxel (uint8); of equal ones the first.
// Cost     reads x, writes y and a byte for each y.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using MaxPoolForward = void(Stream&, ConstView<T> x, View<T> y, View<std::uint8_t> which);
template <class T>
using MaxPoolBackward = void(Stream&, ConstView<std::uint8_t> which, ConstView<T> dy, View<T> dx);

namespace max_pool {
Shape output_shape(const Shape& x);  ///< throws Error when a size is odd
Cost cost(const Shape& x, std::size_t element_bytes);
}  // namespace max_pool

namespace reference {
template <class T>
MaxPoolForward<T> max_pool_forward;
template <class T>
MaxPoolBackward<T> max_pool_backward;
}  // namespace reference
namespace cpu {
MaxPoolForward<float> max_pool_forward;
MaxPoolBackward<float> max_pool_backward;
}  // namespace cpu
namespace cuda {
MaxPoolForward<float> max_pool_forward;
MaxPoolBackward<float> max_pool_backward;
}  // namespace cuda

}  // namespace fringe

// upsample_nearest: every voxel becomes 2x2x2 equal ones.
//
//   (1)  y[n, 2d+i, 2h+j, 2w+k, c] = x[n,d,h,w,c]       for (i,j,k) in {0,1}^3
//   (2)  dx[n,d,h,w,c] = sum over (i,j,k) of dy[n, 2d+i, 2h+j, 2w+k, c]
//
// Shapes   x (N,D,H,W,C), y (N,2D,2H,2W,C).
// Saved    nothing.
// Cost     moves x once and y once.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using UpsampleNearestForward = void(Stream&, ConstView<T> x, View<T> y);
template <class T>
using UpsampleNearestBackward = void(Stream&, ConstView<T> dy, View<T> dx);

namespace upsample_nearest {
Shape output_shape(const Shape& x);
Cost cost(const Shape& x, std::size_t element_bytes);
}  // namespace upsample_nearest

namespace reference {
template <class T>
UpsampleNearestForward<T> upsample_nearest_forward;
template <class T>
UpsampleNearestBackward<T> upsample_nearest_backward;
}  // namespace reference
namespace cpu {
UpsampleNearestForward<float> upsample_nearest_forward;
UpsampleNearestBackward<float> upsample_nearest_backward;
}  // namespace cpu
namespace cuda {
UpsampleNearestForward<float> upsample_nearest_forward;
UpsampleNearestBackward<float> upsample_nearest_backward;
}  // namespace cuda

}  // namespace fringe

// upsample_trilinear: twice the extent by linear interpolation along every axis.
//
//   Sample o of the result lies at (o + 1/2) / 2 - 1/2 of the input (voxel centres, edges repeated):
//   (1)  along one axis   y[2i] = (x[i-1] + 3 x[i]) / 4,  y[2i+1] = (3 x[i] + x[i+1]) / 4;   x[-1] = x[0], x[X] = x[X-1]
//   (2)  dx is the adjoint of (1)
//
// Shapes   x (N,D,H,W,C), y (N,2D,2H,2W,C). What PyTorch calls trilinear with align_corners = false.
// Saved    nothing.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using UpsampleTrilinearForward = void(Stream&, ConstView<T> x, View<T> y);
template <class T>
using UpsampleTrilinearBackward = void(Stream&, ConstView<T> dy, View<T> dx);

namespace upsample_trilinear {
Shape output_shape(const Shape& x);
/// The two inputs of output `o` along an axis of `extent` input voxels; the first has weight 3/4, the second 1/4.
constexpr void sources(Index o, Index extent, Index& near, Index& far) {
  near = o / 2;
  far = o % 2 == 0 ? (near > 0 ? near - 1 : 0) : (near + 1 < extent ? near + 1 : near);
}
}  // namespace upsample_trilinear

namespace reference {
template <class T>
UpsampleTrilinearForward<T> upsample_trilinear_forward;
template <class T>
UpsampleTrilinearBackward<T> upsample_trilinear_backward;
}  // namespace reference
namespace cpu {
UpsampleTrilinearForward<float> upsample_trilinear_forward;
UpsampleTrilinearBackward<float> upsample_trilinear_backward;
}  // namespace cpu
namespace cuda {
UpsampleTrilinearForward<float> upsample_trilinear_forward;
UpsampleTrilinearBackward<float> upsample_trilinear_backward;
}  // namespace cuda

}  // namespace fringe

// fused_conv3d: convolution, bias, LeakyReLU and the statistics for batch normalisation in one pass, reading its input through
// the normalisation (and upsampling) of the operation before.
//
//   Defined as a composition. With in(x) the array as it is read,
//   (1)  in(x)[n,d,h,w,c] = scale[c] * (x[n,d',h',w',c] - centre[c]) + shift[c]     d' = d, or d/2 when upsampled (h', w' too)
//        the affine is batch_norm_fold's, none means x itself; outside the volume in(x) is 0, not shift
//   (2)  y = leaky_relu(conv3d(in(x), w, b), slope)                                 slope = 1: no activation
//   (3)  mean[o], var[o]: mean and biased variance of y over its rows               when asked for
//   Backward. dz is the gradient that reached batch_norm's output (or y's, without fold), maybe that of its max_pool:
//   (4)  g = (y > 0 ? 1 : slope) * (a[o] * dz' + t[o] * y + o[o])                   fold = (a, t, o), none means (1, 0, 0)
//        dz' = dz, or with `which` the half-sized dz put where `which` says (max_pool's (2)), 0 elsewhere
//   (5)  dx = conv3d's data gradient of g, summed over the 2x2x2 voxels of each input voxel when upsampled: the gradient by
//        in(x) (before the affine: the affine's own factor belongs to the fold of the operation that made x)
//   (6)  daffine = (sum dx * (x - centre), -scale * sum dx, sum dx)                 when there is an affine
//   (7)  dw, db = conv3d's weight gradients of in(x) and g
//
// Shapes   x (N,D,H,W,Ci), or (N,D/2,H/2,W/2,Ci) when upsampled; affine, daffine, fold (1,1,1,3,C); w (Kd,Kh,Kw,Ci,Co), odd;
//          b (1,1,1,1,Co); y (N,D,H,W,Co); statistics (1,1,1,2,Co); dz as y, or (N,D/2,H/2,W/2,Co) with `which` alike; dx as x.
// Saved    x, affine, w, y (and which).
// Numerics as conv3d; in bfloat16 in(x), g and w are rounded (an upsampled input's weights when they have been summed). (3) and
//          the sums of (6) in an order fixed by the shape alone, without cancellation when mean^2 >> var.
// Cost     conv3d's flops (fewer when upsampled: 8 taps of summed weights replace 27); forward reads x and writes y, each
//          backward kernel reads dz and y, and reads x or writes dx: one crossing of memory each.
#pragma once
#include "kernels/batch_norm_fold.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

/// An array as its user reads it: (1).
template <class T>
struct Reading {
  ConstView<T> x;
  ConstView<T> affine;  ///< may be empty
  bool upsampled = false;

  /// Of in(x).
  Shape shape() const {
    const Shape& s = x.shape;
    return upsampled ? Shape{s.n, 2 * s.d, 2 * s.h, 2 * s.w, s.c} : s;
  }
};

/// The gradient by the convolution's sum, as the kernels form it while they load: (4).
template <class T>
struct PendingGradient {
  ConstView<T> dz;
  ConstView<std::uint8_t> which;  ///< empty: dz has the shape of y
  ConstView<T> y;
  ConstView<T> fold;  ///< may be empty
  T slope = 1;
};

/// `statistics` may be empty.
template <class T>
using FusedConv3dForward = void(Stream&, T slope, const Reading<T>& x, ConstView<T> w, ConstView<T> b, View<T> y,
                                View<T> statistics);
/// `daffine` is empty when x has no affine.
template <class T>
using FusedConv3dBackwardData = void(Stream&, const PendingGradient<T>& g, ConstView<T> w, const Reading<T>& x, View<T> dx,
                                     View<T> daffine);
template <class T>
using FusedConv3dBackwardWeights = void(Stream&, const Reading<T>& x, const PendingGradient<T>& g, View<T> dw, View<T> db);

namespace fused_conv3d {
/// Checks of a Reading and a PendingGradient, shared by all backends and by fused_separable_conv3d; throw Error.
void require_reading(const char* operation, const Shape& x, bool upsampled, const Shape* affine);
void require_gradient(const char* operation, const Shape& dz, const Shape* which, const Shape& y, const Shape* fold);
void require_statistics(const char* operation, const Shape& statistics, Index channels);

template <class T>
void require_operand(const char* operation, const Reading<T>& x) {
  require_reading(operation, x.x.shape, x.upsampled, x.affine ? &x.affine.shape : nullptr);
}
template <class T>
void require_operand(const char* operation, const PendingGradient<T>& g) {
  require_gradient(operation, g.dz.shape, g.which ? &g.which.shape : nullptr, g.y.shape, g.fold ? &g.fold.shape : nullptr);
}
}  // namespace fused_conv3d

namespace reference {
template <class T>
FusedConv3dForward<T> fused_conv3d_forward;
template <class T>
FusedConv3dBackwardData<T> fused_conv3d_backward_data;
template <class T>
FusedConv3dBackwardWeights<T> fused_conv3d_backward_weights;

// The pieces of the composition, for the references of other fused operations.
template <class T>
void read_through(const Reading<T>& x, View<T> y);                       ///< (1)
template <class T>
void form_gradient(const PendingGradient<T>& g, View<T> y);              ///< (4)
template <class T>
void measure_statistics(ConstView<T> y, View<T> statistics);             ///< (3)
/// dx from the gradient by in(x) at full extents, and (6).
template <class T>
void finish_data_gradient(const Reading<T>& x, ConstView<T> full, View<T> dx, View<T> daffine);
}  // namespace reference
namespace cpu {
FusedConv3dForward<float> fused_conv3d_forward;
FusedConv3dBackwardData<float> fused_conv3d_backward_data;
FusedConv3dBackwardWeights<float> fused_conv3d_backward_weights;
}  // namespace cpu
namespace cuda {
FusedConv3dForward<float> fused_conv3d_forward;
FusedConv3dBackwardData<float> fused_conv3d_backward_data;
FusedConv3dBackwardWeights<float> fused_conv3d_backward_weights;
}  // namespace cuda

}  // namespace fringe

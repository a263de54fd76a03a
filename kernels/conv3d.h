// conv3d: 3-D convolution (cross-correlation, as in every neural-network library), stride 1, zero padding to equal size.
//
//   (1)  y[n,d,h,w,o]  = b[o] + sum_{i,j,k,c} x[n, d+i-pd, h+j-ph, w+k-pw, c] * w[i,j,k,c,o]
//        with pd = (Kd-1)/2 and so on; x is 0 outside its volume
//   (2)  dx[n,d,h,w,c] = sum_{i,j,k,o} dy[n, d-i+pd, h-j+ph, w-k+pw, o] * w[i,j,k,c,o]
//   (3)  dw[i,j,k,c,o] = sum_{n,d,h,w} x[n, d+i-pd, h+j-ph, w+k-pw, c] * dy[n,d,h,w,o]
//   (4)  db[o]         = sum_{n,d,h,w} dy[n,d,h,w,o]
//
// Shapes   x (N,D,H,W,Ci), w (Kd,Kh,Kw,Ci,Co) with odd Kd, Kh, Kw, b (1,1,1,1,Co) or empty, y (N,D,H,W,Co).
//          3x3x3 and the one-dimensional 3x1x1, 1x3x1, 1x1x3 are the ones the network uses.
// Saved    x and w.
// Numerics sums run over taps and channels in float; weight gradients are summed per thread and then over threads, so
//          they are bitwise reproducible for a given number of threads. In the stream's precision bfloat16 the factors of
//          (1), (2) and (3) are rounded to it first (nearest, ties to even), and (4) may sum rounded dy; with tile registers
//          the CPU's results then do not depend on the number of threads. CUDA multiplies in the stream's Precision, and its
//          results are bitwise reproducible.
// Cost     2 * N*D*H*W * Kd*Kh*Kw * Ci*Co flops for each of (1), (2), (3).
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using Conv3dForward = void(Stream&, ConstView<T> x, ConstView<T> w, ConstView<T> b, View<T> y);
template <class T>
using Conv3dBackwardData = void(Stream&, ConstView<T> dy, ConstView<T> w, View<T> dx);
/// db may be empty.
template <class T>
using Conv3dBackwardWeights = void(Stream&, ConstView<T> x, ConstView<T> dy, View<T> dw, View<T> db);

namespace conv3d {
/// Shape of y. Throws Error when x and w do not fit together or a kernel size is even.
Shape output_shape(const Shape& x, const Shape& w);
Cost cost(const Shape& x, const Shape& w, std::size_t element_bytes);  ///< of (1)

// The checks of the three entries, shared by all backends.
void require_forward(const Shape& x, const Shape& w, const Shape* b, const Shape& y);
void require_backward_data(const Shape& dy, const Shape& w, const Shape& dx);
void require_backward_weights(const Shape& x, const Shape& dy, const Shape& dw, const Shape* db);
}  // namespace conv3d

namespace reference {
template <class T>
Conv3dForward<T> conv3d_forward;
template <class T>
Conv3dBackwardData<T> conv3d_backward_data;
template <class T>
Conv3dBackwardWeights<T> conv3d_backward_weights;
}  // namespace reference
namespace cpu {
Conv3dForward<float> conv3d_forward;
Conv3dBackwardData<float> conv3d_backward_data;
Conv3dBackwardWeights<float> conv3d_backward_weights;
}  // namespace cpu
namespace cuda {
Conv3dForward<float> conv3d_forward;
Conv3dBackwardData<float> conv3d_backward_data;
Conv3dBackwardWeights<float> conv3d_backward_weights;
}  // namespace cuda

}  // namespace fringe

// fft3d: the centred three-dimensional Fourier transform, and the one statement of sign, normalisation and centring.
//
//   r and Q count from the voxel at index N/2 of every axis:
//   (1)  F(Q) = sum_r f(r) exp(-2 pi i (Qd rd / D + Qh rh / H + Qw rw / W))       unnormalised: sum |F|^2 = DHW sum |f|^2
//   (2)  df(r) = sum_Q dF(Q) exp(+2 pi i Q.r)                                     the adjoint; DHW times the inverse
// A gradient of a real loss with respect to a complex number z is dL/d(re z) + i dL/d(im z), so (2) is also the backward
// pass.
//
// Shapes   f, F, df, dF (N,D,H,W,2) with even D, H, W: centring then is multiplication by (-1)^(d+h+w) on both sides.
//          In place is allowed.
// Saved    nothing.
// Numerics bitwise the same for any number of threads.
// Cost     5 DHW log2(DHW) flops a sample.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using Fft3d = void(Stream&, ConstView<T> x, View<T> y);

namespace fft3d {
Cost cost(const Shape& x, std::size_t element_bytes);
/// Throws unless x is complex, of even extent, and y like x.
void require_shapes(const Shape& x, const Shape& y);
}  // namespace fft3d

namespace reference {
template <class T>
Fft3d<T> fft3d_forward;
template <class T>
Fft3d<T> fft3d_backward;
}  // namespace reference
namespace cpu {
Fft3d<float> fft3d_forward;
Fft3d<float> fft3d_backward;
}  // namespace cpu
namespace cuda {
Fft3d<float> fft3d_forward;
Fft3d<float> fft3d_backward;
}  // namespace cuda

}  // namespace fringe

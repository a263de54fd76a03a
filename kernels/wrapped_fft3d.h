// wrapped_fft3d: the three-dimensional Fourier transform in its own order, r = 0 and Q = 0 at index 0 of every axis.
//
//   (1)  F[k] = sum_j f[j] exp(-2 pi i (kd jd / D + kh jh / H + kw jw / W))       unnormalised: sum |F|^2 = DHW sum |f|^2
//   (2)  g[j] = sum_k F[k] exp(+2 pi i ...)                                       the adjoint; DHW times the inverse
// What goes to and fro thousands of times, as iterative phasing does, leaves out the two passes of signs that fft3d's centring
// costs each way.
//
// Shapes   f, F, g (N,D,H,W,2), any extents. In place is allowed; otherwise the input is left as it was.
// Numerics bitwise the same for any number of threads.
// Cost     5 DHW log2(DHW) flops a sample.
#pragma once
#include "kernels/fft3d.h"

namespace fringe {

namespace wrapped_fft3d {
/// Throws unless x is complex, and y like x.
void require_shapes(const Shape& x, const Shape& y);
}  // namespace wrapped_fft3d

namespace reference {
template <class T>
Fft3d<T> wrapped_fft3d_forward;
template <class T>
Fft3d<T> wrapped_fft3d_backward;
}  // namespace reference
namespace cpu {
Fft3d<float> wrapped_fft3d_forward;
Fft3d<float> wrapped_fft3d_backward;
}  // namespace cpu
namespace cuda {
Fft3d<float> wrapped_fft3d_forward;
Fft3d<float> wrapped_fft3d_backward;
}  // namespace cuda

}  // namespace fringe

// polar: a complex field from its amplitude and phase.
//
//   (1)  re = a cos(phi),  im = a sin(phi)
//   (2)  da = dre cos(phi) + dim sin(phi)
//   (3)  dphi = a (dim cos(phi) - dre sin(phi))
//
// Shapes   a, phi, da, dphi (N,D,H,W,1); z, dz (N,D,H,W,2): real part, imaginary part.
// Saved    a, phi; the sine and cosine are computed again.
// Numerics phi in radians, |phi| < 1e4; the CPU kernel's sine and cosine are within 1e-6.
// Cost     forward moves 4 numbers a voxel, backward 6.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using PolarForward = void(Stream&, ConstView<T> a, ConstView<T> phi, View<T> z);
template <class T>
using PolarBackward = void(Stream&, ConstView<T> a, ConstView<T> phi, ConstView<T> dz, View<T> da, View<T> dphi);

namespace polar {
/// Throws unless the shapes fit (1).
void require_shapes(const Shape& a, const Shape& phi, const Shape& z);
}  // namespace polar

namespace reference {
template <class T>
PolarForward<T> polar_forward;
template <class T>
PolarBackward<T> polar_backward;
}  // namespace reference
namespace cpu {
PolarForward<float> polar_forward;
PolarBackward<float> polar_backward;
}  // namespace cpu
namespace cuda {
PolarForward<float> polar_forward;
PolarBackward<float> polar_backward;
}  // namespace cuda

}  // namespace fringe

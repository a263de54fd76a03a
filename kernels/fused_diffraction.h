// fused_diffraction: the amplitude of a crystal's diffraction pattern, without transforming the zeros around the crystal.
//
//   Defined as a composition:
//   (1)  F = fft3d(pad_centred(polar(a, phi), frame))
//   (2)  m = sqrt(|F|^2 + epsilon^2)                                            modulus
//   (3)  dF = dm F / m  (0 where m = 0),   (da, dphi) = polar's gradient by the centred crop of fft3d's adjoint of dF
// Of the lines of a three-dimensional transform, those along W that are not zero are d h of D H, along H d W of D W.
//
// Shapes   a, phi, da, dphi (N,d,h,w,1); field (N,D,H,W,2) with even extents that are at least d, h, w; m, dm (N,D,H,W,1).
// Saved    a, phi, field, m. `field` is F up to signs that a backend chooses, for its own backward kernel alone.
// Numerics bitwise the same for any number of threads.
// Cost     `cost`: the lines that are not zero; field is written and read once each way.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using FusedDiffractionForward = void(Stream&, T epsilon, ConstView<T> a, ConstView<T> phi, View<T> field, View<T> m);
template <class T>
using FusedDiffractionBackward = void(Stream&, ConstView<T> a, ConstView<T> phi, ConstView<T> field, ConstView<T> m,
                                      ConstView<T> dm, View<T> da, View<T> dphi);

namespace fused_diffraction {
/// Of one direction.
Cost cost(const Shape& object, const Shape& frame, std::size_t element_bytes);
/// Throws unless the shapes fit (1) and (2).
void require_shapes(const Shape& a, const Shape& phi, const Shape& field, const Shape& m);
}  // namespace fused_diffraction

namespace reference {
template <class T>
FusedDiffractionForward<T> fused_diffraction_forward;
template <class T>
FusedDiffractionBackward<T> fused_diffraction_backward;
}  // namespace reference
namespace cpu {
FusedDiffractionForward<float> fused_diffraction_forward;
FusedDiffractionBackward<float> fused_diffraction_backward;
}  // namespace cpu
namespace cuda {
FusedDiffractionForward<float> fused_diffraction_forward;
FusedDiffractionBackward<float> fused_diffraction_backward;
}  // namespace cuda

}  // namespace fringe

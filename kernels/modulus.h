// modulus: amplitude of a complex field, and its square, the intensity.
//
//   (1)  m = sqrt(re^2 + im^2 + epsilon^2)         epsilon keeps the gradient finite where the field vanishes
//   (2)  dz = dm z / m
//   (3)  i = re^2 + im^2
//   (4)  dz = 2 di z
//
// Shapes   z, dz (N,D,H,W,2); m, dm, i, di (N,D,H,W,1).
// Saved    z and m; z.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using ModulusForward = void(Stream&, T epsilon, ConstView<T> z, View<T> m);
template <class T>
using ModulusBackward = void(Stream&, ConstView<T> z, ConstView<T> m, ConstView<T> dm, View<T> dz);
template <class T>
using IntensityForward = void(Stream&, ConstView<T> z, View<T> i);
template <class T>
using IntensityBackward = void(Stream&, ConstView<T> z, ConstView<T> di, View<T> dz);

namespace modulus {
/// Throws unless z has two channels and m one.
void require_shapes(const Shape& z, const Shape& m);
}  // namespace modulus

namespace reference {
template <class T>
ModulusForward<T> modulus_forward;
template <class T>
ModulusBackward<T> modulus_backward;
template <class T>
IntensityForward<T> intensity_forward;
template <class T>
IntensityBackward<T> intensity_backward;
}  // namespace reference
namespace cpu {
ModulusForward<float> modulus_forward;
ModulusBackward<float> modulus_backward;
IntensityForward<float> intensity_forward;
IntensityBackward<float> intensity_backward;
}  // namespace cpu
namespace cuda {
ModulusForward<float> modulus_forward;
ModulusBackward<float> modulus_backward;
IntensityForward<float> intensity_forward;
IntensityBackward<float> intensity_backward;
}  // namespace cuda

}  // namespace fringe

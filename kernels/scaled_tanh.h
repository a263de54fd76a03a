// scaled_tanh: the phase head, bounded to (-scale, scale).
//
//   (1)  y  = scale * tanh(x)
//   (2)  dx = dy * (scale - y^2 / scale)
//
// Shapes   all alike, any shape. In place is allowed.
// Saved    y.
// Numerics the CPU kernel's tanh is within 3e-7 of scale.
// Cost     moves two arrays forward, three backward.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using ScaledTanhForward = void(Stream&, T scale, ConstView<T> x, View<T> y);
template <class T>
using ScaledTanhBackward = void(Stream&, T scale, ConstView<T> y, ConstView<T> dy, View<T> dx);

namespace reference {
template <class T>
ScaledTanhForward<T> scaled_tanh_forward;
template <class T>
ScaledTanhBackward<T> scaled_tanh_backward;
}  // namespace reference
namespace cpu {
ScaledTanhForward<float> scaled_tanh_forward;
ScaledTanhBackward<float> scaled_tanh_backward;
}  // namespace cpu
namespace cuda {
ScaledTanhForward<float> scaled_tanh_forward;
ScaledTanhBackward<float> scaled_tanh_backward;
}  // namespace cuda

}  // namespace fringe

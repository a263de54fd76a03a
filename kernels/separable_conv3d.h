// separable_conv3d: the block 3x1x1 -> 1x3x1 -> 1x1x3 of convolutions, each with full mixing of channels and a bias.
//
//   Defined as a composition of conv3d:
//   (1)  u = conv3d(x, wd, bd),   v = conv3d(u, wh, bh),   y = conv3d(v, ww, bw)
//   (2)  dv, dww, dbw from dy and v;   du, dwh, dbh from dv and u;   dx, dwd, dbd from du and x, as conv3d has them
//
// Shapes   x (N,D,H,W,Ci), wd (K,1,1,Ci,C), wh (1,K,1,C,C), ww (1,1,K,C,Co), u, v (N,D,H,W,C), y (N,D,H,W,Co), odd K;
//          biases (1,1,1,1,channels), always there.
// Saved    x, u, v.
// Cost     2 NDHW K (Ci C + C C + C Co) flops forward, twice that backward.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

/// Weights and biases of the three convolutions, or their gradients.
template <class View>
struct SeparableWeights {
  View wd, bd, wh, bh, ww, bw;
};

template <class T>
using SeparableConv3dForward = void(Stream&, ConstView<T> x, const SeparableWeights<ConstView<T>>& weights, View<T> u,
                                    View<T> v, View<T> y);
/// `dv` and `du` are work space like v and u; `dx` may be empty.
template <class T>
using SeparableConv3dBackward = void(Stream&, ConstView<T> x, ConstView<T> u, ConstView<T> v,
                                     const SeparableWeights<ConstView<T>>& weights, ConstView<T> dy, View<T> dv, View<T> du,
                                     View<T> dx, const SeparableWeights<View<T>>& gradients);

namespace separable_conv3d {
/// Throws unless the kernels are one-dimensional, along D, H and W.
void require_kernels(const Shape& wd, const Shape& wh, const Shape& ww);
}  // namespace separable_conv3d

namespace reference {
template <class T>
SeparableConv3dForward<T> separable_conv3d_forward;
template <class T>
SeparableConv3dBackward<T> separable_conv3d_backward;
}  // namespace reference
namespace cpu {
SeparableConv3dForward<float> separable_conv3d_forward;
SeparableConv3dBackward<float> separable_conv3d_backward;
}  // namespace cpu
namespace cuda {
SeparableConv3dForward<float> separable_conv3d_forward;
SeparableConv3dBackward<float> separable_conv3d_backward;
}  // namespace cuda

}  // namespace fringe

// fused_separable_conv3d: the block 3x1x1 -> 1x3x1 -> 1x1x3 with LeakyReLU and the statistics for batch normalisation, reading
// its input through the normalisation before (fused_conv3d.h).
//
//   Defined as a composition, in(x), slope, statistics, pending gradient g and daffine as in fused_conv3d:
//   (1)  u = conv3d(in(x), wd, bd),   v = conv3d(u, wh, bh),   y = leaky_relu(conv3d(v, ww, bw), slope), mean and var of y
//   (2)  dv, dww, dbw from g and v;   du, dwh, dbh from dv and u;   dx, daffine, dwd, dbd from du and in(x)
//
// Shapes   those of separable_conv3d and fused_conv3d; u, v (N,D,H,W,C).
// Saved    x, affine, u, v, y (and which). In inference u and v are empty: they need not exist outside a tile. Where the table's
//          separable_keeps_all() says no, v is not saved but computed from u once more, the same numbers, and dv and du need no place.
// Packed   in the stream's precision bfloat16, u, v, dv and du are nothing but factors. Where the table's packs_bfloat16() says
//          so, all four may have packed_shape: two numbers rounded to bfloat16 in the place of a float, the first one first.
// Cost     2 NDHW K (Ci C + C C + C Co) flops forward, twice that backward.
#pragma once
#include "kernels/fused_conv3d.h"
#include "kernels/separable_conv3d.h"

namespace fringe {

/// `v` is empty where `u` is, or where it is not kept; `statistics` may be empty.
template <class T>
using FusedSeparableConv3dForward = void(Stream&, T slope, const Reading<T>& x, const SeparableWeights<ConstView<T>>& weights,
                                         View<T> u, View<T> v, View<T> y, View<T> statistics);
/// `dv` and `du` are work space like v and u; they and `v` may be empty where they are not kept. `dx` may be empty, and `daffine` with
/// it or when x has no affine.
template <class T>
using FusedSeparableConv3dBackward = void(Stream&, const Reading<T>& x, ConstView<T> u, ConstView<T> v,
                                          const SeparableWeights<ConstView<T>>& weights, const PendingGradient<T>& g, View<T> dv,
                                          View<T> du, View<T> dx, View<T> daffine, const SeparableWeights<View<T>>& gradients);

namespace fused_separable_conv3d {
/// Half as many channels; the shape itself where their number is odd.
inline Shape packed_shape(const Shape& s) { return s.c % 2 == 0 ? s.with_channels(s.c / 2) : s; }
}  // namespace fused_separable_conv3d

/// Whether a backend takes packed arrays on this machine.
using PacksBfloat16 = bool();
/// Whether the gradient of a block from ci by way of `middle` to co channels, over an array of extents `full`, needs v, dv and du.
using SeparableKeepsAll = bool(const Stream&, const Shape& full, bool upsampled, Index ci, Index middle, Index co);

namespace reference {
template <class T>
FusedSeparableConv3dForward<T> fused_separable_conv3d_forward;
template <class T>
FusedSeparableConv3dBackward<T> fused_separable_conv3d_backward;
}  // namespace reference
namespace cpu {
PacksBfloat16 packs_bfloat16;
SeparableKeepsAll separable_keeps_all;
FusedSeparableConv3dForward<float> fused_separable_conv3d_forward;
FusedSeparableConv3dBackward<float> fused_separable_conv3d_backward;
}  // namespace cpu
namespace cuda {
FusedSeparableConv3dForward<float> fused_separable_conv3d_forward;
FusedSeparableConv3dBackward<float> fused_separable_conv3d_backward;
}  // namespace cuda

}  // namespace fringe

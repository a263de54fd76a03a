// relative_l2: relative squared difference of a prediction from its target, one number per sample.
//
//   (1)  L = sum w (s p - t)^2 / sum w t^2                       s = 1, or the scale that makes L smallest:
//   (2)  s = sum w p t / sum w p^2
//   (3)  dp = dL * 2 w s (s p - t) / sum w t^2                   with (2), dL/ds = 0
// With `root`, L is the square root of (1), and (3) is divided by 2 L (zero where L = 0).
//
// As functions of amplitudes this is L1 = L2 (Eq. 6) and L4 = chi^2 (Eq. 7) of Wu et al. 2021.
// Shapes   p, t (N,D,H,W,C); w like them, or with N = 1 (the same for all samples), or empty (1 everywhere);
//          loss, dloss (N,1,1,1,1); stats (N,1,1,1,2): s and sum w t^2.
// Saved    p, t, w, stats, loss.
// Numerics sums end in double, in an order fixed by the shape. Throws when a sample's target is zero everywhere.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct RelativeL2Params {
  bool fit_scale = false;  ///< s from (2) instead of 1
  bool root = false;
};

template <class T>
using RelativeL2Forward = void(Stream&, const RelativeL2Params&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                               View<T> stats, View<T> loss);
template <class T>
using RelativeL2Backward = void(Stream&, const RelativeL2Params&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                ConstView<T> stats, ConstView<T> loss, ConstView<T> dloss, View<T> dp);

namespace relative_l2 {
/// Throws unless t is like p, weights (empty: data == nullptr) fit, and stats and loss have their shapes.
template <class T>
void require_shapes(const char* operation, ConstView<T> p, ConstView<T> t, ConstView<T> w, const Shape& stats,
                    Index stats_count, const Shape& loss);
}  // namespace relative_l2

namespace reference {
template <class T>
RelativeL2Forward<T> relative_l2_forward;
template <class T>
RelativeL2Backward<T> relative_l2_backward;
}  // namespace reference
namespace cpu {
RelativeL2Forward<float> relative_l2_forward;
RelativeL2Backward<float> relative_l2_backward;
}  // namespace cpu
namespace cuda {
RelativeL2Forward<float> relative_l2_forward;
RelativeL2Backward<float> relative_l2_backward;
}  // namespace cuda

}  // namespace fringe

// pearson_loss: one minus Pearson's correlation of a prediction with its target, one number per sample.
//
//   (1)  mean(x) = sum w x / sum w                         0 when not `centred` (the "modified" correlation)
//   (2)  |x|^2 = sum w (x - mean)^2,   u = (p - mean(p)) / |p|,   v = (t - mean(t)) / |t|
//   (3)  r = sum w u v,   L = 1 - r = 1/2 sum w (u - v)^2   the latter without cancellation when r is near 1
//   (4)  dp = dL * w (r u - v) / |p|
//
// L3 of Wu et al. 2021 (Eqs. 6 and 7) as a function of amplitudes.
// Shapes   p, t (N,D,H,W,C); w like them, or with N = 1, or empty (1 everywhere); loss, dloss (N,1,1,1,1);
//          stats (N,1,1,1,4): mean(p), mean(t), 1/|p|, 1/|t|.
// Saved    p, t, w, stats, loss.
// Numerics sums end in double, in an order fixed by the shape. A constant prediction has u = 0, L = 1 (by definition) and
//          no gradient; a constant target throws.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct PearsonLossParams {
  bool centred = true;
};

template <class T>
using PearsonLossForward = void(Stream&, const PearsonLossParams&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                View<T> stats, View<T> loss);
template <class T>
using PearsonLossBackward = void(Stream&, const PearsonLossParams&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                 ConstView<T> stats, ConstView<T> loss, ConstView<T> dloss, View<T> dp);

namespace reference {
template <class T>
PearsonLossForward<T> pearson_loss_forward;
template <class T>
PearsonLossBackward<T> pearson_loss_backward;
}  // namespace reference
namespace cpu {
PearsonLossForward<float> pearson_loss_forward;
PearsonLossBackward<float> pearson_loss_backward;
}  // namespace cpu
namespace cuda {
PearsonLossForward<float> pearson_loss_forward;
PearsonLossBackward<float> pearson_loss_backward;
}  // namespace cuda

}  // namespace fringe

// poisson_loss: negative Poisson log-likelihood of amplitudes, relative to the perfect fit, one number per sample.
//
//   I = t^2 the measured intensity in photons, p the predicted amplitude
//   (1)  lambda = s p^2 + floor,   s = sum w t^2 / sum w p^2 (with fit_scale) or 1
//   (2)  L = sum w ( lambda - I + I log(I / lambda) ) / sum w            0 for lambda = I; the logarithm's term 0 for I = 0
//   (3)  dp = dL * 2 w s p (1 - I / lambda) / sum w
// s is held constant in (3): without floor it is the scale of largest likelihood, where dL/ds = 0 exactly.
//
// Shapes   p, t (N,D,H,W,C); w like them, or with N = 1, or empty (1 everywhere); loss, dloss (N,1,1,1,1);
//          stats (N,1,1,1,2): s and sum w.
// Saved    p, t, w, stats.
// Numerics sums end in double, in an order fixed by the shape.
// Source   Thibault, Guizar-Sicairos, New J. Phys. 14, 063004 (2012), doi:10.1088/1367-2630/14/6/063004.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct PoissonLossParams {
  bool fit_scale = true;
  double floor = 1e-3;  ///< [photons]; keeps the logarithm finite where the prediction vanishes
};

template <class T>
using PoissonLossForward = void(Stream&, const PoissonLossParams&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                View<T> stats, View<T> loss);
template <class T>
using PoissonLossBackward = void(Stream&, const PoissonLossParams&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                 ConstView<T> stats, ConstView<T> dloss, View<T> dp);

namespace reference {
template <class T>
PoissonLossForward<T> poisson_loss_forward;
template <class T>
PoissonLossBackward<T> poisson_loss_backward;
}  // namespace reference
namespace cpu {
PoissonLossForward<float> poisson_loss_forward;
PoissonLossBackward<float> poisson_loss_backward;
}  // namespace cpu
namespace cuda {
PoissonLossForward<float> poisson_loss_forward;
PoissonLossBackward<float> poisson_loss_backward;
}  // namespace cuda

}  // namespace fringe

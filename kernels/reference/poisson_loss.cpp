#include "kernels/poisson_loss.h"

#include <cmath>

#include "kernels/relative_l2.h"

namespace fringe::reference {

template <class T>
void poisson_loss_forward(Stream&, const PoissonLossParams& params, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                          View<T> stats, View<T> loss) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, loss.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const auto weight = [&](Index i) { return w ? static_cast<double>(w[w.shape.n == 1 ? i : n * count + i]) : 1.0; };
    double pp = 0, tt = 0, sum = 0, total = 0;
    for (Index i = 0; i < count; ++i) {
      const double a = p[n * count + i], b = t[n * count + i];
      pp += weight(i) * a * a;
      tt += weight(i) * b * b;
      sum += weight(i);
    }
    require(sum > 0, "poisson_loss: all weights of sample {} are zero", n);
    const double s = params.fit_scale ? (pp > 0 ? tt / pp : 0) : 1;  // (1)
    for (Index i = 0; i < count; ++i) {
      const double a = p[n * count + i], b = t[n * count + i], lambda = s * a * a + params.floor, counts = b * b;
      total += weight(i) * (lambda - counts + (counts > 0 ? counts * std::log(counts / lambda) : 0));  // (2)
    }
    stats[2 * n] = static_cast<T>(s);
    stats[2 * n + 1] = static_cast<T>(sum);
    loss[n] = static_cast<T>(total / sum);
  }
}

template <class T>
void poisson_loss_backward(Stream&, const PoissonLossParams& params, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                           ConstView<T> stats, ConstView<T> dloss, View<T> dp) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, dloss.shape);
  require_shape("poisson_loss", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const T s = stats[2 * n], factor = 2 * dloss[n] * s / stats[2 * n + 1];
    for (Index i = 0; i < count; ++i) {
      const T weight = w ? w[w.shape.n == 1 ? i : n * count + i] : T(1);
      const T a = p[n * count + i], b = t[n * count + i];
      dp[n * count + i] = factor * weight * a * (1 - b * b / (s * a * a + static_cast<T>(params.floor)));  // (3)
    }
  }
}

template PoissonLossForward<float> poisson_loss_forward<float>;
template PoissonLossForward<double> poisson_loss_forward<double>;
template PoissonLossBackward<float> poisson_loss_backward<float>;
template PoissonLossBackward<double> poisson_loss_backward<double>;

}  // namespace fringe::reference

#include "kernels/pearson_loss.h"

#include <cmath>

#include "kernels/relative_l2.h"

namespace fringe::reference {

template <class T>
void pearson_loss_forward(Stream&, const PearsonLossParams& params, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                          View<T> stats, View<T> loss) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const auto weight = [&](Index i) { return w ? static_cast<double>(w[w.shape.n == 1 ? i : n * count + i]) : 1.0; };
    const auto p_at = [&](Index i) { return static_cast<double>(p[n * count + i]); };
    const auto t_at = [&](Index i) { return static_cast<double>(t[n * count + i]); };
    double sum = 0, mean_p = 0, mean_t = 0, pp = 0, tt = 0, distance = 0;
    if (params.centred) {  // (1)
      for (Index i = 0; i < count; ++i) {
        sum += weight(i);
        mean_p += weight(i) * p_at(i);
        mean_t += weight(i) * t_at(i);
      }
      mean_p /= sum;
      mean_t /= sum;
    }
    for (Index i = 0; i < count; ++i) {
      pp += weight(i) * (p_at(i) - mean_p) * (p_at(i) - mean_p);
      tt += weight(i) * (t_at(i) - mean_t) * (t_at(i) - mean_t);
    }
    require(tt > 0, "pearson_loss: target of sample {} is constant", n);
    const double inverse_p = pp > 0 ? 1 / std::sqrt(pp) : 0, inverse_t = 1 / std::sqrt(tt);
    for (Index i = 0; i < count; ++i) {
      const double delta = (p_at(i) - mean_p) * inverse_p - (t_at(i) - mean_t) * inverse_t;
      distance += weight(i) * delta * delta;
    }
    const double values[] = {mean_p, mean_t, inverse_p, inverse_t};
    for (Index k = 0; k < 4; ++k) stats[4 * n + k] = static_cast<T>(values[k]);
    loss[n] = pp > 0 ? static_cast<T>(distance / 2) : T(1);  // (3)
  }
}

template <class T>
void pearson_loss_backward(Stream&, const PearsonLossParams&, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                           ConstView<T> stats, ConstView<T> loss, ConstView<T> dloss, View<T> dp) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  require_shape("pearson_loss", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const T mean_p = stats[4 * n], mean_t = stats[4 * n + 1], inverse_p = stats[4 * n + 2],
            inverse_t = stats[4 * n + 3], r = 1 - loss[n];
    for (Index i = 0; i < count; ++i) {
      const T weight = w ? w[w.shape.n == 1 ? i : n * count + i] : T(1);
      const T u = (p[n * count + i] - mean_p) * inverse_p, v = (t[n * count + i] - mean_t) * inverse_t;
      dp[n * count + i] = dloss[n] * inverse_p * weight * (r * u - v);  // (4)
    }
  }
}

template PearsonLossForward<float> pearson_loss_forward<float>;
template PearsonLossForward<double> pearson_loss_forward<double>;
template PearsonLossBackward<float> pearson_loss_backward<float>;
template PearsonLossBackward<double> pearson_loss_backward<double>;

}  // namespace fringe::reference

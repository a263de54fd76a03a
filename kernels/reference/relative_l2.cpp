#include "kernels/relative_l2.h"

#include <cmath>

namespace fringe {

template <class T>
void relative_l2::require_shapes(const char* operation, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                                 const Shape& stats, Index stats_count, const Shape& loss) {
  require_shape(operation, "target", t.shape, p.shape);
  if (w) {
    Shape expected = p.shape;
    if (w.shape.n == 1) expected.n = 1;
    require_shape(operation, "weights", w.shape, expected);
  }
  require_shape(operation, "stats", stats, {p.shape.n, 1, 1, 1, stats_count});
  require_shape(operation, "loss", loss, sample_vector(p.shape.n));
}
template void relative_l2::require_shapes(const char*, ConstView<float>, ConstView<float>, ConstView<float>,
                                          const Shape&, Index, const Shape&);
template void relative_l2::require_shapes(const char*, ConstView<double>, ConstView<double>, ConstView<double>,
                                          const Shape&, Index, const Shape&);

namespace reference {

template <class T>
void relative_l2_forward(Stream&, const RelativeL2Params& params, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                         View<T> stats, View<T> loss) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const auto weight = [&](Index i) { return w ? static_cast<double>(w[w.shape.n == 1 ? i : n * count + i]) : 1.0; };
    double pp = 0, pt = 0, tt = 0, difference = 0;
    for (Index i = 0; i < count; ++i) {
      const double a = p[n * count + i], b = t[n * count + i];
      pp += weight(i) * a * a;
      pt += weight(i) * a * b;
      tt += weight(i) * b * b;
    }
    require(tt > 0, "relative_l2: target of sample {} is zero everywhere", n);
    const double s = params.fit_scale ? (pp > 0 ? pt / pp : 0) : 1;  // (2)
    for (Index i = 0; i < count; ++i) {
      const double delta = s * static_cast<double>(p[n * count + i]) - static_cast<double>(t[n * count + i]);
      difference += weight(i) * delta * delta;
    }
    stats[2 * n] = static_cast<T>(s);
    stats[2 * n + 1] = static_cast<T>(tt);
    loss[n] = static_cast<T>(params.root ? std::sqrt(difference / tt) : difference / tt);  // (1)
  }
}

template <class T>
void relative_l2_backward(Stream&, const RelativeL2Params& params, ConstView<T> p, ConstView<T> t, ConstView<T> w,
                          ConstView<T> stats, ConstView<T> loss, ConstView<T> dloss, View<T> dp) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  require_shape("relative_l2", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const T s = stats[2 * n];
    T factor = 2 * dloss[n] * s / stats[2 * n + 1];
    if (params.root) factor = loss[n] > 0 ? factor / (2 * loss[n]) : T(0);
    for (Index i = 0; i < count; ++i) {
      const T weight = w ? w[w.shape.n == 1 ? i : n * count + i] : T(1);
      dp[n * count + i] = factor * weight * (s * p[n * count + i] - t[n * count + i]);  // (3)
    }
  }
}

template RelativeL2Forward<float> relative_l2_forward<float>;
template RelativeL2Forward<double> relative_l2_forward<double>;
template RelativeL2Backward<float> relative_l2_backward<float>;
template RelativeL2Backward<double> relative_l2_backward<double>;

}  // namespace reference
}  // namespace fringe

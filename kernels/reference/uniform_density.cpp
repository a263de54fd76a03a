#include "kernels/uniform_density.h"

namespace fringe::reference {

template <class T>
void uniform_density_forward(Stream&, ConstView<T> a, View<T> stats, View<T> loss) {
  require_shape("uniform_density", "loss", loss.shape, sample_vector(a.shape.n));
  require_shape("uniform_density", "stats", stats.shape, {a.shape.n, 1, 1, 1, 3});
  const Index count = a.shape.per_sample();
  for (Index n = 0; n < a.shape.n; ++n) {
    double squares = 0, cubes = 0, well = 0;
    for (Index i = 0; i < count; ++i) {
      const double v = a[n * count + i];
      squares += v * v;
      cubes += v * v * v;
    }
    const double level = squares > 0 ? cubes / squares : 0;  // (1)
    for (Index i = 0; i < count; ++i) {
      const double v = a[n * count + i];
      well += v * v * (v - level) * (v - level);
    }
    const double q = squares > 0 ? well / squares : 0;
    stats[3 * n] = static_cast<T>(level);
    stats[3 * n + 1] = static_cast<T>(squares);
    stats[3 * n + 2] = static_cast<T>(q);
    loss[n] = level > 0 ? static_cast<T>(q / (level * level)) : T(0);  // (2)
  }
}

template <class T>
void uniform_density_backward(Stream&, ConstView<T> a, ConstView<T> stats, ConstView<T> dloss, View<T> da) {
  require_shape("uniform_density", "da", da.shape, a.shape);
  const Index count = a.shape.per_sample();
  for (Index n = 0; n < a.shape.n; ++n) {
    const T level = stats[3 * n], squares = stats[3 * n + 1], q = stats[3 * n + 2];
    const T factor = level > 0 ? 2 * dloss[n] / (level * level * squares) : T(0);
    for (Index i = 0; i < count; ++i) {
      const T v = a[n * count + i], delta = v - level;
      da[n * count + i] = factor * v * (delta * delta + v * delta - q);  // (3)
    }
  }
}

template UniformDensityForward<float> uniform_density_forward<float>;
template UniformDensityForward<double> uniform_density_forward<double>;
template UniformDensityBackward<float> uniform_density_backward<float>;
template UniformDensityBackward<double> uniform_density_backward<double>;

}  // namespace fringe::reference

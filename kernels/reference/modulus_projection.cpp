#include "kernels/modulus_projection.h"

#include <algorithm>
#include <cmath>

namespace fringe {

Cost modulus_projection::cost(const Shape& f, std::size_t element_bytes) {
  const auto voxels = static_cast<double>(f.rows());
  return {15 * voxels, (4 * voxels + static_cast<double>(f.voxels())) * static_cast<double>(element_bytes)};
}

void modulus_projection::require_shapes(const Shape& a, const Shape& f, const Shape& y, const Shape& misfit) {
  require(f.c == 2, "modulus_projection: the field has {} channels, expected 2 (real, imaginary)", f.c);
  Shape amplitude = f.with_channels(1);
  if (a.n == 1) amplitude.n = 1;
  require_shape("modulus_projection", "a", a, amplitude);
  require_shape("modulus_projection", "y", y, f);
  require_shape("modulus_projection", "misfit", misfit, sample_vector(f.n));
}

namespace reference {

template <class T>
void modulus_projection(Stream&, T factor, ConstView<T> a, ConstView<T> f, View<T> y, View<T> misfit) {
  modulus_projection::require_shapes(a.shape, f.shape, y.shape, misfit.shape);
  const Index voxels = f.shape.voxels();
  for (Index n = 0; n < f.shape.n; ++n) {
    double sum = 0;
    for (Index i = 0; i < voxels; ++i) {
      const Index at = n * voxels + i;
      const double re = f[2 * at], im = f[2 * at + 1], target = a[a.shape.n == 1 ? i : at];
      const double m = std::sqrt(std::max(re * re + im * im, static_cast<double>(modulus_projection::least_intensity)));
      const double scale = target >= 0 ? factor * target / m : factor;
      y[2 * at] = static_cast<T>(scale * re);  // (1)
      y[2 * at + 1] = static_cast<T>(scale * im);
      if (target >= 0) sum += (m - target) * (m - target);  // (2)
    }
    misfit[n] = static_cast<T>(sum);
  }
}

template ModulusProjection<float> modulus_projection<float>;
template ModulusProjection<double> modulus_projection<double>;

}  // namespace reference
}  // namespace fringe

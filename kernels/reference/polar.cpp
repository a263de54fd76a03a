#include "kernels/polar.h"

#include <cmath>

namespace fringe {

void polar::require_shapes(const Shape& a, const Shape& phi, const Shape& z) {
  require(a.c == 1, "polar: amplitude has {} channels, expected 1", a.c);
  require_shape("polar", "phase", phi, a);
  require_shape("polar", "complex field", z, a.with_channels(2));
}

namespace reference {

template <class T>
void polar_forward(Stream&, ConstView<T> a, ConstView<T> phi, View<T> z) {
  polar::require_shapes(a.shape, phi.shape, z.shape);
  for (Index i = 0; i < a.size(); ++i) {
    z[2 * i] = a[i] * std::cos(phi[i]);  // (1)
    z[2 * i + 1] = a[i] * std::sin(phi[i]);
  }
}

template <class T>
void polar_backward(Stream&, ConstView<T> a, ConstView<T> phi, ConstView<T> dz, View<T> da, View<T> dphi) {
  polar::require_shapes(a.shape, phi.shape, dz.shape);
  polar::require_shapes(da.shape, dphi.shape, dz.shape);
  for (Index i = 0; i < a.size(); ++i) {
    const T c = std::cos(phi[i]), s = std::sin(phi[i]);
    da[i] = dz[2 * i] * c + dz[2 * i + 1] * s;             // (2)
    dphi[i] = a[i] * (dz[2 * i + 1] * c - dz[2 * i] * s);  // (3)
  }
}

template PolarForward<float> polar_forward<float>;
template PolarForward<double> polar_forward<double>;
template PolarBackward<float> polar_backward<float>;
template PolarBackward<double> polar_backward<double>;

}  // namespace reference
}  // namespace fringe

#include "kernels/modulus.h"

#include <cmath>

namespace fringe {

void modulus::require_shapes(const Shape& z, const Shape& m) {
  require(z.c == 2, "modulus: the field has {} channels, expected 2 (real, imaginary)", z.c);
  require_shape("modulus", "modulus", m, z.with_channels(1));
}

namespace reference {

template <class T>
void modulus_forward(Stream&, T epsilon, ConstView<T> z, View<T> m) {
  modulus::require_shapes(z.shape, m.shape);
  for (Index i = 0; i < m.size(); ++i)
    m[i] = std::sqrt(z[2 * i] * z[2 * i] + z[2 * i + 1] * z[2 * i + 1] + epsilon * epsilon);  // (1)
}

template <class T>
void modulus_backward(Stream&, ConstView<T> z, ConstView<T> m, ConstView<T> dm, View<T> dz) {
  modulus::require_shapes(z.shape, m.shape);
  modulus::require_shapes(dz.shape, dm.shape);
  for (Index i = 0; i < m.size(); ++i) {
    const T g = m[i] > 0 ? dm[i] / m[i] : T(0);
    dz[2 * i] = g * z[2 * i];  // (2)
    dz[2 * i + 1] = g * z[2 * i + 1];
  }
}

template <class T>
void intensity_forward(Stream&, ConstView<T> z, View<T> i) {
  modulus::require_shapes(z.shape, i.shape);
  for (Index k = 0; k < i.size(); ++k) i[k] = z[2 * k] * z[2 * k] + z[2 * k + 1] * z[2 * k + 1];  // (3)
}

template <class T>
void intensity_backward(Stream&, ConstView<T> z, ConstView<T> di, View<T> dz) {
  modulus::require_shapes(z.shape, di.shape);
  require_shape("intensity", "dz", dz.shape, z.shape);
  for (Index k = 0; k < di.size(); ++k) {
    dz[2 * k] = 2 * di[k] * z[2 * k];  // (4)
    dz[2 * k + 1] = 2 * di[k] * z[2 * k + 1];
  }
}

template ModulusForward<float> modulus_forward<float>;
template ModulusForward<double> modulus_forward<double>;
template ModulusBackward<float> modulus_backward<float>;
template ModulusBackward<double> modulus_backward<double>;
template IntensityForward<float> intensity_forward<float>;
template IntensityForward<double> intensity_forward<double>;
template IntensityBackward<float> intensity_backward<float>;
template IntensityBackward<double> intensity_backward<double>;

}  // namespace reference
}  // namespace fringe

#include "kernels/wrapped_fft3d.h"

#include "kernels/reference/fourier_sums.h"

namespace fringe {

void wrapped_fft3d::require_shapes(const Shape& x, const Shape& y) {
  require(x.c == 2, "wrapped_fft3d: the field has {} channels, expected 2 (real, imaginary)", x.c);
  require_shape("wrapped_fft3d", "result", y, x);
}

namespace reference {
template <class T>
void wrapped_fft3d_forward(Stream&, ConstView<T> x, View<T> y) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  fourier_sums(x, y, -1, false);  // (1)
}
template <class T>
void wrapped_fft3d_backward(Stream&, ConstView<T> x, View<T> y) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  fourier_sums(x, y, +1, false);  // (2)
}

template Fft3d<float> wrapped_fft3d_forward<float>;
template Fft3d<double> wrapped_fft3d_forward<double>;
template Fft3d<float> wrapped_fft3d_backward<float>;
template Fft3d<double> wrapped_fft3d_backward<double>;

}  // namespace reference
}  // namespace fringe

#include "kernels/fft3d.h"

#include <cmath>

#include "kernels/reference/fourier_sums.h"

namespace fringe {

Cost fft3d::cost(const Shape& x, std::size_t element_bytes) {
  const auto voxels = static_cast<double>(x.voxels());
  return {5 * static_cast<double>(x.n) * voxels * std::log2(voxels),
          2 * static_cast<double>(x.size()) * static_cast<double>(element_bytes)};
}

void fft3d::require_shapes(const Shape& x, const Shape& y) {
  require(x.c == 2, "fft3d: the field has {} channels, expected 2 (real, imaginary)", x.c);
  require(x.d % 2 == 0 && x.h % 2 == 0 && x.w % 2 == 0, "fft3d: extents must be even, the field is {}", x.str());
  require_shape("fft3d", "result", y, x);
}

namespace reference {
template <class T>
void fft3d_forward(Stream&, ConstView<T> x, View<T> y) {
  fft3d::require_shapes(x.shape, y.shape);
  fourier_sums(x, y, -1, true);
}

template <class T>
void fft3d_backward(Stream&, ConstView<T> x, View<T> y) {
  fft3d::require_shapes(x.shape, y.shape);
  fourier_sums(x, y, +1, true);
}

template Fft3d<float> fft3d_forward<float>;
template Fft3d<double> fft3d_forward<double>;
template Fft3d<float> fft3d_backward<float>;
template Fft3d<double> fft3d_backward<double>;

}  // namespace reference
}  // namespace fringe

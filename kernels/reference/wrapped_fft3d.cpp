// The sums themselves, one axis after another: O(N) a voxel and axis.
#include "kernels/wrapped_fft3d.h"

#include <complex>
#include <numbers>
#include <vector>

namespace fringe {

void wrapped_fft3d::require_shapes(const Shape& x, const Shape& y) {
  require(x.c == 2, "wrapped_fft3d: the field has {} channels, expected 2 (real, imaginary)", x.c);
  require_shape("wrapped_fft3d", "result", y, x);
}

namespace reference {
namespace {

template <class T>
void transform(ConstView<T> x, View<T> y, double sign) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  using Complex = std::complex<double>;
  std::vector<Complex> field;
  for (Index i = 0; i < x.shape.rows(); ++i) field.emplace_back(x[2 * i], x[2 * i + 1]);
  const Index extent[3] = {x.shape.d, x.shape.h, x.shape.w};
  Index stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    const Index length = extent[axis];
    std::vector<Complex> line(static_cast<std::size_t>(length));
    for (Index i = 0; i < x.shape.rows(); ++i) {
      if (i / stride % length != 0) continue;  // i is the first voxel of a line along `axis`
      for (Index k = 0; k < length; ++k) {
        Complex sum = 0;
        for (Index j = 0; j < length; ++j)
          sum +=
              field[static_cast<std::size_t>(i + j * stride)] *
              std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(k * j % length) / static_cast<double>(length));
        line[static_cast<std::size_t>(k)] = sum;
      }
      for (Index k = 0; k < length; ++k) field[static_cast<std::size_t>(i + k * stride)] = line[static_cast<std::size_t>(k)];
    }
    stride *= length;
  }
  for (Index i = 0; i < x.shape.rows(); ++i) {
    y[2 * i] = static_cast<T>(field[static_cast<std::size_t>(i)].real());
    y[2 * i + 1] = static_cast<T>(field[static_cast<std::size_t>(i)].imag());
  }
}

}  // namespace

template <class T>
void wrapped_fft3d_forward(Stream&, ConstView<T> x, View<T> y) {
  transform(x, y, -1);  // (1)
}
template <class T>
void wrapped_fft3d_backward(Stream&, ConstView<T> x, View<T> y) {
  transform(x, y, +1);  // (2)
}

template Fft3d<float> wrapped_fft3d_forward<float>;
template Fft3d<double> wrapped_fft3d_forward<double>;
template Fft3d<float> wrapped_fft3d_backward<float>;
template Fft3d<double> wrapped_fft3d_backward<double>;

}  // namespace reference
}  // namespace fringe

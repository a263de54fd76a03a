// The sums themselves, one axis after another: O(N) a voxel and axis.
#include "kernels/fft3d.h"

#include <cmath>
#include <complex>
#include <numbers>
#include <vector>

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
namespace {

template <class T>
void transform(ConstView<T> x, View<T> y, double sign) {
  fft3d::require_shapes(x.shape, y.shape);
  using Complex = std::complex<double>;
  std::vector<Complex> field(static_cast<std::size_t>(x.shape.rows()));
  for (Index i = 0; i < x.shape.rows(); ++i) field[static_cast<std::size_t>(i)] = {x[2 * i], x[2 * i + 1]};
  const Index extent[3] = {x.shape.d, x.shape.h, x.shape.w};
  Index stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    const Index length = extent[axis];
    std::vector<Complex> root(static_cast<std::size_t>(length)), line(static_cast<std::size_t>(length));
    for (Index k = 0; k < length; ++k)
      root[static_cast<std::size_t>(k)] =
          std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
    for (Index i = 0; i < x.shape.rows(); ++i) {
      if (i / stride % length != 0) continue;  // i is the first voxel of a line along `axis`
      for (Index q = 0; q < length; ++q) {
        Complex sum = 0;
        for (Index r = 0; r < length; ++r) {
          const Index turn = (q - length / 2) * (r - length / 2) % length;  // (1), (2)
          sum += field[static_cast<std::size_t>(i + r * stride)] *
                 root[static_cast<std::size_t>((turn + length) % length)];
        }
        line[static_cast<std::size_t>(q)] = sum;
      }
      for (Index q = 0; q < length; ++q)
        field[static_cast<std::size_t>(i + q * stride)] = line[static_cast<std::size_t>(q)];
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
void fft3d_forward(Stream&, ConstView<T> x, View<T> y) {
  transform(x, y, -1);
}

template <class T>
void fft3d_backward(Stream&, ConstView<T> x, View<T> y) {
  transform(x, y, +1);
}

template Fft3d<float> fft3d_forward<float>;
template Fft3d<double> fft3d_forward<double>;
template Fft3d<float> fft3d_backward<float>;
template Fft3d<double> fft3d_backward<double>;

}  // namespace reference
}  // namespace fringe

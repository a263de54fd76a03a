// The sums of the discrete Fourier transform themselves, one axis after another: O(N) a voxel and axis.
#pragma once
#include <complex>
#include <numbers>
#include <vector>

#include "kernels/view.h"

namespace fringe::reference {

/// y[q] = sum over r of x[r] exp(sign 2 pi i (q - o)(r - o) / N) along every axis; o = N / 2 where `centred`, else 0. Two channels:
/// real and imaginary part.
template <class T>
void fourier_sums(ConstView<T> x, View<T> y, double sign, bool centred) {
  using Complex = std::complex<double>;
  std::vector<Complex> field(static_cast<std::size_t>(x.shape.rows()));
  for (Index i = 0; i < x.shape.rows(); ++i) field[static_cast<std::size_t>(i)] = {x[2 * i], x[2 * i + 1]};
  const Index extent[3] = {x.shape.d, x.shape.h, x.shape.w};
  Index stride = 1;
  for (int axis = 2; axis >= 0; --axis) {
    const Index length = extent[axis], origin = centred ? length / 2 : 0;
    std::vector<Complex> root(static_cast<std::size_t>(length)), line(static_cast<std::size_t>(length));
    for (Index k = 0; k < length; ++k)
      root[static_cast<std::size_t>(k)] =
          std::polar(1.0, sign * 2 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(length));
    for (Index i = 0; i < x.shape.rows(); ++i) {
      if (i / stride % length != 0) continue;  // i is the first voxel of a line along `axis`
      for (Index q = 0; q < length; ++q) {
        Complex sum = 0;
        for (Index r = 0; r < length; ++r) {
          const Index turn = (q - origin) * (r - origin) % length;
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

}  // namespace fringe::reference

#include "kernels/partial_coherence.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace fringe {

double partial_coherence::degree_of_coherence(double width, Index u, Index n) {
  const double x = std::numbers::pi * width * static_cast<double>(u) / static_cast<double>(n);
  return std::exp(-2 * x * x);
}

template <class T>
void partial_coherence::fill_kernel(double width, Index n, T* k) {
  for (Index j = 0; j < n; ++j) {
    double sum = 0;
    for (Index u = 0; u < n; ++u)  // u and u - n have the same cosine; the shorter of the two is meant
      sum += degree_of_coherence(width, std::min(u, n - u), n) *
             std::cos(2 * std::numbers::pi * static_cast<double>(u * j % n) / static_cast<double>(n));
    k[j] = static_cast<T>(sum / static_cast<double>(n));  // (1)
  }
}

template <class T>
void partial_coherence::require_shapes(const CoherenceKernel<ConstView<T>>& k, const Shape& m, const Shape& y) {
  require(m.c == 1, "partial_coherence: the modulus has {} channels, expected 1", m.c);
  require_shape("partial_coherence", "the result", y, m);
  require_shape("partial_coherence", "the kernel along D", k.d.shape, {1, m.d, 1, 1, 1});
  require_shape("partial_coherence", "the kernel along H", k.h.shape, {1, 1, m.h, 1, 1});
  require_shape("partial_coherence", "the kernel along W", k.w.shape, {1, 1, 1, m.w, 1});
}

namespace reference {
namespace {

/// x <- the circular convolution of x with k along an axis of n voxels that lie `stride` apart.
template <class T>
void convolve(ConstView<T> k, Index n, Index stride, std::vector<double>& x) {
  std::vector<double> line(static_cast<std::size_t>(n));
  const auto size = static_cast<Index>(x.size());
  for (Index first = 0; first < size; ++first) {
    if (first / stride % n != 0) continue;
    const auto at = [&](Index i) { return static_cast<std::size_t>(first + i * stride); };
    for (Index i = 0; i < n; ++i) line[static_cast<std::size_t>(i)] = x[at(i)];
    for (Index i = 0; i < n; ++i) {
      double sum = 0;
      for (Index j = 0; j < n; ++j) sum += static_cast<double>(k[(i - j + n) % n]) * line[static_cast<std::size_t>(j)];
      x[at(i)] = sum;
    }
  }
}

template <class T>
void convolve(const CoherenceKernel<ConstView<T>>& k, const Shape& s, std::vector<double>& x) {  // K
  convolve(k.w, s.w, 1, x);
  convolve(k.h, s.h, s.w, x);
  convolve(k.d, s.d, s.h * s.w, x);
}

}  // namespace

template <class T>
void partial_coherence_forward(Stream&, T epsilon, const CoherenceKernel<ConstView<T>>& k, ConstView<T> m, View<T> y) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  std::vector<double> p(static_cast<std::size_t>(m.size()));
  for (Index i = 0; i < m.size(); ++i) p[static_cast<std::size_t>(i)] = static_cast<double>(m[i]) * static_cast<double>(m[i]);
  convolve(k, m.shape, p);  // (2)
  const auto least = static_cast<double>(epsilon) * static_cast<double>(epsilon);
  for (Index i = 0; i < m.size(); ++i)
    y[i] = static_cast<T>(std::sqrt(std::max(p[static_cast<std::size_t>(i)], 0.0) + least));  // (3)
}

template <class T>
void partial_coherence_backward(Stream&, const CoherenceKernel<ConstView<T>>& k, ConstView<T> m, ConstView<T> y, ConstView<T> dy,
                                View<T> dm) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  require_shape("partial_coherence", "dy", dy.shape, y.shape);
  require_shape("partial_coherence", "dm", dm.shape, m.shape);
  std::vector<double> g(static_cast<std::size_t>(m.size()));
  for (Index i = 0; i < m.size(); ++i)
    g[static_cast<std::size_t>(i)] = y[i] > 0 ? static_cast<double>(dy[i]) / static_cast<double>(y[i]) : 0.0;
  convolve(k, m.shape, g);
  for (Index i = 0; i < m.size(); ++i)
    dm[i] = static_cast<T>(static_cast<double>(m[i]) * g[static_cast<std::size_t>(i)]);  // (4)
}

template PartialCoherenceForward<float> partial_coherence_forward<float>;
template PartialCoherenceForward<double> partial_coherence_forward<double>;
template PartialCoherenceBackward<float> partial_coherence_backward<float>;
template PartialCoherenceBackward<double> partial_coherence_backward<double>;

}  // namespace reference

namespace partial_coherence {
template void fill_kernel<float>(double, Index, float*);
template void fill_kernel<double>(double, Index, double*);
template void require_shapes<float>(const CoherenceKernel<ConstView<float>>&, const Shape&, const Shape&);
template void require_shapes<double>(const CoherenceKernel<ConstView<double>>&, const Shape&, const Shape&);
}  // namespace partial_coherence

}  // namespace fringe

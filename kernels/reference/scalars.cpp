#include "kernels/scalars.h"

#include <cmath>

namespace fringe::reference {

template <class T>
void log_forward(Stream&, T offset, ConstView<T> x, View<T> y) {
  require_shape("log", "y", y.shape, x.shape);
  for (Index i = 0; i < x.size(); ++i) y[i] = std::log(x[i] + offset);  // (1)
}

template <class T>
void log_backward(Stream&, T offset, ConstView<T> x, ConstView<T> dy, View<T> dx) {
  require_shape("log", "dx", dx.shape, x.shape);
  for (Index i = 0; i < x.size(); ++i) dx[i] = dy[i] / (x[i] + offset);  // (2)
}

template <class T>
void weighted_sum_forward(Stream&, ConstView<T> a, std::span<const ConstView<T>> x, View<T> y) {
  weighted_sum::require_terms(a.shape, x.size());
  for (const auto& term : x) require_shape("weighted_sum", "term", term.shape, y.shape);
  for (Index i = 0; i < y.size(); ++i) {
    T sum = 0;
    for (std::size_t k = 0; k < x.size(); ++k) sum += a[static_cast<Index>(k)] * x[k][i];  // (3)
    y[i] = sum;
  }
}

template <class T>
void weighted_sum_backward(Stream&, ConstView<T> a, Index k, ConstView<T> dy, View<T> dx) {
  weighted_sum::require_term(a.shape, k);
  require_shape("weighted_sum", "dx", dx.shape, dy.shape);
  for (Index i = 0; i < dy.size(); ++i) dx[i] = a[k] * dy[i];  // (4)
}

template LogForward<float> log_forward<float>;
template LogForward<double> log_forward<double>;
template LogBackward<float> log_backward<float>;
template LogBackward<double> log_backward<double>;
template WeightedSumForward<float> weighted_sum_forward<float>;
template WeightedSumForward<double> weighted_sum_forward<double>;
template WeightedSumBackward<float> weighted_sum_backward<float>;
template WeightedSumBackward<double> weighted_sum_backward<double>;

}  // namespace fringe::reference

#include "kernels/batch_norm.h"

#include <cmath>

namespace fringe {

Cost batch_norm::cost(const Shape& x, std::size_t element_bytes) {
  const auto n = static_cast<double>(x.size());
  return {.flops = 5 * n, .bytes = 3 * n * static_cast<double>(element_bytes)};
}

void batch_norm::require_shapes(const Shape& x, const Shape& y, std::initializer_list<Shape> vectors) {
  require_shape("batch_norm", "y", y, x);
  require(x.rows() > 1, "batch_norm: statistics need more than one value per channel, x has shape {}", x.str());
  for (const Shape& v : vectors) require_shape("batch_norm", "a vector over channels", v, channel_vector(x.c));
}

namespace reference {

template <class T>
void batch_norm_forward(Stream&, const BatchNormParams<T>& p, ConstView<T> x, ConstView<T> gamma, ConstView<T> beta,
                        View<T> running_mean, View<T> running_var, View<T> mean, View<T> rstd, View<T> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  const Index channels = x.shape.c, rows = x.shape.rows();
  const auto count = static_cast<double>(rows);
  for (Index c = 0; c < channels; ++c) {
    double sum = 0, squares = 0;
    for (Index r = 0; r < rows; ++r) sum += static_cast<double>(x[r * channels + c]);
    const double m = sum / count;
    for (Index r = 0; r < rows; ++r) {
      const double v = static_cast<double>(x[r * channels + c]) - m;
      squares += v * v;
    }
    const double var = squares / count;  // (1)
    mean[c] = static_cast<T>(m);
    rstd[c] = static_cast<T>(1 / std::sqrt(var + static_cast<double>(p.epsilon)));
    for (Index r = 0; r < rows; ++r)
      y[r * channels + c] = gamma[c] * (x[r * channels + c] - mean[c]) * rstd[c] + beta[c];  // (2)
    running_mean[c] += p.momentum * (static_cast<T>(m) - running_mean[c]);                   // (3)
    running_var[c] += p.momentum * (static_cast<T>(var * count / (count - 1)) - running_var[c]);
  }
}

template <class T>
void batch_norm_forward_eval(Stream&, const BatchNormParams<T>& p, ConstView<T> x, ConstView<T> gamma,
                             ConstView<T> beta, ConstView<T> running_mean, ConstView<T> running_var, View<T> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  const Index channels = x.shape.c;
  for (Index i = 0; i < x.size(); ++i) {
    const Index c = i % channels;
    y[i] = gamma[c] * (x[i] - running_mean[c]) / std::sqrt(running_var[c] + p.epsilon) + beta[c];
  }
}

template <class T>
void batch_norm_backward(Stream&, ConstView<T> x, ConstView<T> gamma, ConstView<T> mean, ConstView<T> rstd,
                         ConstView<T> dy, View<T> dx, View<T> dgamma, View<T> dbeta) {
  batch_norm::require_shapes(x.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, x.shape);
  const Index channels = x.shape.c, rows = x.shape.rows();
  for (Index c = 0; c < channels; ++c) {
    double sum = 0, sum_xhat = 0;
    for (Index r = 0; r < rows; ++r) {
      const Index i = r * channels + c;
      sum += static_cast<double>(dy[i]);
      sum_xhat += static_cast<double>(dy[i]) * static_cast<double>((x[i] - mean[c]) * rstd[c]);
    }
    dbeta[c] = static_cast<T>(sum);  // (4)
    dgamma[c] = static_cast<T>(sum_xhat);
    const T a = static_cast<T>(sum / static_cast<double>(rows)), b = static_cast<T>(sum_xhat / static_cast<double>(rows));
    for (Index r = 0; r < rows; ++r) {
      const Index i = r * channels + c;
      dx[i] = gamma[c] * rstd[c] * (dy[i] - a - (x[i] - mean[c]) * rstd[c] * b);  // (5)
    }
  }
}

template BatchNormForward<float> batch_norm_forward<float>;
template BatchNormForward<double> batch_norm_forward<double>;
template BatchNormForwardEval<float> batch_norm_forward_eval<float>;
template BatchNormForwardEval<double> batch_norm_forward_eval<double>;
template BatchNormBackward<float> batch_norm_backward<float>;
template BatchNormBackward<double> batch_norm_backward<double>;

}  // namespace reference
}  // namespace fringe

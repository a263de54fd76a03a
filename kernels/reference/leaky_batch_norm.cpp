#include "kernels/leaky_batch_norm.h"

#include "kernels/leaky_relu.h"

namespace fringe::reference {

template <class T>
void leaky_batch_norm_forward(Stream& stream, const BatchNormParams<T>& p, T slope, View<T> x, ConstView<T> gamma,
                              ConstView<T> beta, View<T> running_mean, View<T> running_var, View<T> mean, View<T> rstd,
                              View<T> y) {
  leaky_relu_forward<T>(stream, slope, x, x);                                                        // (1)
  batch_norm_forward<T>(stream, p, x, gamma, beta, running_mean, running_var, mean, rstd, y);        // (2)
}

template <class T>
void leaky_batch_norm_forward_eval(Stream& stream, const BatchNormParams<T>& p, T slope, ConstView<T> x, ConstView<T> gamma,
                                   ConstView<T> beta, ConstView<T> running_mean, ConstView<T> running_var, View<T> y) {
  leaky_relu_forward<T>(stream, slope, x, y);
  batch_norm_forward_eval<T>(stream, p, y, gamma, beta, running_mean, running_var, y);
}

template <class T>
void leaky_batch_norm_backward(Stream& stream, T slope, ConstView<T> a, ConstView<T> gamma, ConstView<T> mean,
                               ConstView<T> rstd, ConstView<T> dy, View<T> dx, View<T> dgamma, View<T> dbeta) {
  batch_norm_backward<T>(stream, a, gamma, mean, rstd, dy, dx, dgamma, dbeta);  // (3)
  leaky_relu_backward<T>(stream, slope, a, dx, dx);
}

template LeakyBatchNormForward<float> leaky_batch_norm_forward<float>;
template LeakyBatchNormForward<double> leaky_batch_norm_forward<double>;
template LeakyBatchNormForwardEval<float> leaky_batch_norm_forward_eval<float>;
template LeakyBatchNormForwardEval<double> leaky_batch_norm_forward_eval<double>;
template LeakyBatchNormBackward<float> leaky_batch_norm_backward<float>;
template LeakyBatchNormBackward<double> leaky_batch_norm_backward<double>;

}  // namespace fringe::reference

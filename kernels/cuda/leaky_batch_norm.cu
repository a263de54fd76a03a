// The kernels, and the strategy, are in batch_norm.cuh.
#include "kernels/leaky_batch_norm.h"

#include "kernels/cuda/batch_norm.cuh"

namespace fringe::cuda {

void leaky_batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, float slope, View<float> x, ConstView<float> gamma,
                              ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                              View<float> rstd, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape,
                             {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  forward<true>(stream, p, slope, x.data, x.shape, gamma, beta, running_mean, running_var, mean, rstd, y);
}

void leaky_batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, float slope, ConstView<float> x,
                                   ConstView<float> gamma, ConstView<float> beta, ConstView<float> running_mean,
                                   ConstView<float> running_var, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  forward_eval<true>(stream, p, slope, x, gamma, beta, running_mean, running_var, y);
}

void leaky_batch_norm_backward(Stream& stream, float slope, ConstView<float> a, ConstView<float> gamma, ConstView<float> mean,
                               ConstView<float> rstd, ConstView<float> dy, View<float> dx, View<float> dgamma,
                               View<float> dbeta) {
  batch_norm::require_shapes(a.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, a.shape);
  backward<true>(stream, slope, a, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cuda

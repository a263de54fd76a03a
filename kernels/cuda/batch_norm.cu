// The kernels, and the strategy, are in batch_norm.cuh.
#include "kernels/cuda/batch_norm.cuh"

namespace fringe::cuda {

void batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                        ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                        View<float> rstd, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape,
                             {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  // Without LeakyReLU the kernel only reads x.
  forward<false>(stream, p, 1, const_cast<float*>(x.data), x.shape, gamma, beta, running_mean, running_var, mean, rstd, y);
}

void batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                             ConstView<float> beta, ConstView<float> running_mean, ConstView<float> running_var, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  forward_eval<false>(stream, p, 1, x, gamma, beta, running_mean, running_var, y);
}

void batch_norm_backward(Stream& stream, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean, ConstView<float> rstd,
                         ConstView<float> dy, View<float> dx, View<float> dgamma, View<float> dbeta) {
  batch_norm::require_shapes(x.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, x.shape);
  backward<false>(stream, 1, x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cuda

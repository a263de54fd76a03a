#include "kernels/table.h"

namespace fringe::cuda {

const KernelTable<float>& table() {
  static constexpr KernelTable<float> kernels{
      .backend = "cuda",
      .adam_step = adam_step,
      .add = add,
      .batch_norm_forward = batch_norm_forward,
      .batch_norm_forward_eval = batch_norm_forward_eval,
      .batch_norm_backward = batch_norm_backward,
      .batch_norm_fold_forward = batch_norm_fold_forward,
      .batch_norm_fold_forward_eval = batch_norm_fold_forward_eval,
      .batch_norm_fold_backward = batch_norm_fold_backward,
      .fft3d_forward = fft3d_forward,
      .fft3d_backward = fft3d_backward,
      .fused_max_pool_forward = fused_max_pool_forward,
      .intensity_forward = intensity_forward,
      .intensity_backward = intensity_backward,
      .leaky_batch_norm_forward = leaky_batch_norm_forward,
      .leaky_batch_norm_forward_eval = leaky_batch_norm_forward_eval,
      .leaky_batch_norm_backward = leaky_batch_norm_backward,
      .leaky_relu_forward = leaky_relu_forward,
      .leaky_relu_backward = leaky_relu_backward,
      .log_forward = log_forward,
      .log_backward = log_backward,
      .max_pool_forward = max_pool_forward,
      .max_pool_backward = max_pool_backward,
      .modulus_forward = modulus_forward,
      .modulus_backward = modulus_backward,
      .pad_centred_forward = pad_centred_forward,
      .pad_centred_backward = pad_centred_backward,
      .pearson_loss_forward = pearson_loss_forward,
      .pearson_loss_backward = pearson_loss_backward,
      .philox_uniform = philox_uniform,
      .philox_normal = philox_normal,
      .poisson_loss_forward = poisson_loss_forward,
      .poisson_loss_backward = poisson_loss_backward,
      .polar_forward = polar_forward,
      .polar_backward = polar_backward,
      .relative_l2_forward = relative_l2_forward,
      .relative_l2_backward = relative_l2_backward,
      .scaled_tanh_forward = scaled_tanh_forward,
      .scaled_tanh_backward = scaled_tanh_backward,
      .sgd_step = sgd_step,
      .uniform_density_forward = uniform_density_forward,
      .uniform_density_backward = uniform_density_backward,
      .upsample_nearest_forward = upsample_nearest_forward,
      .upsample_nearest_backward = upsample_nearest_backward,
      .upsample_trilinear_forward = upsample_trilinear_forward,
      .upsample_trilinear_backward = upsample_trilinear_backward,
      .weighted_sum_forward = weighted_sum_forward,
      .weighted_sum_backward = weighted_sum_backward,
  };
  return kernels;
}

}  // namespace fringe::cuda

#include "kernels/table.h"

namespace fringe::reference {

template <class T>
const KernelTable<T>& table() {
  static constexpr KernelTable<T> kernels{
      .backend = "reference",
      .adam_step = adam_step<T>,
      .add = add<T>,
      .batch_norm_forward = batch_norm_forward<T>,
      .batch_norm_forward_eval = batch_norm_forward_eval<T>,
      .batch_norm_backward = batch_norm_backward<T>,
      .batch_norm_fold_forward = batch_norm_fold_forward<T>,
      .batch_norm_fold_forward_eval = batch_norm_fold_forward_eval<T>,
      .batch_norm_fold_backward = batch_norm_fold_backward<T>,
      .choose_smaller = choose_smaller<T>,
      .conv3d_forward = conv3d_forward<T>,
      .conv3d_backward_data = conv3d_backward_data<T>,
      .conv3d_backward_weights = conv3d_backward_weights<T>,
      .fft3d_forward = fft3d_forward<T>,
      .fft3d_backward = fft3d_backward<T>,
      .fused_conv3d_forward = fused_conv3d_forward<T>,
      .fused_conv3d_backward_data = fused_conv3d_backward_data<T>,
      .fused_conv3d_backward_weights = fused_conv3d_backward_weights<T>,
      .fused_diffraction_forward = fused_diffraction_forward<T>,
      .fused_diffraction_backward = fused_diffraction_backward<T>,
      .fused_max_pool_forward = fused_max_pool_forward<T>,
      .fused_separable_conv3d_forward = fused_separable_conv3d_forward<T>,
      .fused_separable_conv3d_backward = fused_separable_conv3d_backward<T>,
      .intensity_forward = intensity_forward<T>,
      .intensity_backward = intensity_backward<T>,
      .leaky_relu_forward = leaky_relu_forward<T>,
      .leaky_relu_backward = leaky_relu_backward<T>,
      .log_forward = log_forward<T>,
      .log_backward = log_backward<T>,
      .max_pool_forward = max_pool_forward<T>,
      .max_pool_backward = max_pool_backward<T>,
      .modulus_forward = modulus_forward<T>,
      .modulus_backward = modulus_backward<T>,
      .pad_centred_forward = pad_centred_forward<T>,
      .pad_centred_backward = pad_centred_backward<T>,
      .pearson_loss_forward = pearson_loss_forward<T>,
      .pearson_loss_backward = pearson_loss_backward<T>,
      .philox_uniform = philox_uniform<T>,
      .philox_normal = philox_normal<T>,
      .poisson_loss_forward = poisson_loss_forward<T>,
      .poisson_loss_backward = poisson_loss_backward<T>,
      .polar_forward = polar_forward<T>,
      .polar_backward = polar_backward<T>,
      .relative_l2_forward = relative_l2_forward<T>,
      .relative_l2_backward = relative_l2_backward<T>,
      .scaled_tanh_forward = scaled_tanh_forward<T>,
      .scaled_tanh_backward = scaled_tanh_backward<T>,
      .separable_conv3d_forward = separable_conv3d_forward<T>,
      .separable_conv3d_backward = separable_conv3d_backward<T>,
      .sgd_step = sgd_step<T>,
      .uniform_density_forward = uniform_density_forward<T>,
      .uniform_density_backward = uniform_density_backward<T>,
      .upsample_nearest_forward = upsample_nearest_forward<T>,
      .upsample_nearest_backward = upsample_nearest_backward<T>,
      .upsample_trilinear_forward = upsample_trilinear_forward<T>,
      .upsample_trilinear_backward = upsample_trilinear_backward<T>,
      .weighted_sum_forward = weighted_sum_forward<T>,
      .weighted_sum_backward = weighted_sum_backward<T>,
  };
  return kernels;
}

template const KernelTable<float>& table<float>();
template const KernelTable<double>& table<double>();

}  // namespace fringe::reference

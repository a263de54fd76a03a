#include "kernels/table.h"

namespace fringe::cpu {

const KernelTable<float>& table() {
  static constexpr KernelTable<float> kernels{
      .backend = "cpu",
      .adam_step = adam_step,
      .add = add,
      .batch_norm_forward = batch_norm_forward,
      .batch_norm_forward_eval = batch_norm_forward_eval,
      .batch_norm_backward = batch_norm_backward,
      .conv3d_forward = conv3d_forward,
      .conv3d_backward_data = conv3d_backward_data,
      .conv3d_backward_weights = conv3d_backward_weights,
      .leaky_relu_forward = leaky_relu_forward,
      .leaky_relu_backward = leaky_relu_backward,
      .max_pool_forward = max_pool_forward,
      .max_pool_backward = max_pool_backward,
      .philox_uniform = philox_uniform,
      .philox_normal = philox_normal,
      .scaled_tanh_forward = scaled_tanh_forward,
      .scaled_tanh_backward = scaled_tanh_backward,
      .sgd_step = sgd_step,
      .upsample_nearest_forward = upsample_nearest_forward,
      .upsample_nearest_backward = upsample_nearest_backward,
  };
  return kernels;
}

}  // namespace fringe::cpu

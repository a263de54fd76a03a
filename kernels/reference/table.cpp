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
      .conv3d_forward = conv3d_forward<T>,
      .conv3d_backward_data = conv3d_backward_data<T>,
      .conv3d_backward_weights = conv3d_backward_weights<T>,
      .leaky_relu_forward = leaky_relu_forward<T>,
      .leaky_relu_backward = leaky_relu_backward<T>,
      .max_pool_forward = max_pool_forward<T>,
      .max_pool_backward = max_pool_backward<T>,
      .philox_uniform = philox_uniform<T>,
      .philox_normal = philox_normal<T>,
      .scaled_tanh_forward = scaled_tanh_forward<T>,
      .scaled_tanh_backward = scaled_tanh_backward<T>,
      .sgd_step = sgd_step<T>,
      .upsample_nearest_forward = upsample_nearest_forward<T>,
      .upsample_nearest_backward = upsample_nearest_backward<T>,
  };
  return kernels;
}

template const KernelTable<float>& table<float>();
template const KernelTable<double>& table<double>();

}  // namespace fringe::reference

#include "kernels/table.h"

namespace fringe::cpu {

const KernelTable<float>& table() {
  static constexpr KernelTable<float> kernels{
      .backend = "cpu",
      .conv3d_forward = conv3d_forward,
      .conv3d_backward_data = conv3d_backward_data,
      .conv3d_backward_weights = conv3d_backward_weights,
      .leaky_relu_forward = leaky_relu_forward,
      .leaky_relu_backward = leaky_relu_backward,
  };
  return kernels;
}

}  // namespace fringe::cpu

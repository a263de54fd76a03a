#include "kernels/table.h"

namespace fringe::cpu {

const KernelTable<float>& table() {
  static constexpr KernelTable<float> kernels{
      .backend = "cpu",
      .leaky_relu_forward = leaky_relu_forward,
      .leaky_relu_backward = leaky_relu_backward,
  };
  return kernels;
}

}  // namespace fringe::cpu

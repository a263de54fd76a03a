#include "kernels/table.h"

namespace fringe::cuda {

const KernelTable<float>& table() {
  static constexpr KernelTable<float> kernels{
      .backend = "cuda",
      .add = add,
      .leaky_relu_forward = leaky_relu_forward,
      .leaky_relu_backward = leaky_relu_backward,
  };
  return kernels;
}

}  // namespace fringe::cuda

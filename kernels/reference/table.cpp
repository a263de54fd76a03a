#include "kernels/table.h"

namespace fringe::reference {

template <class T>
const KernelTable<T>& table() {
  static constexpr KernelTable<T> kernels{
      .backend = "reference",
      .conv3d_forward = conv3d_forward<T>,
      .conv3d_backward_data = conv3d_backward_data<T>,
      .conv3d_backward_weights = conv3d_backward_weights<T>,
      .leaky_relu_forward = leaky_relu_forward<T>,
      .leaky_relu_backward = leaky_relu_backward<T>,
  };
  return kernels;
}

template const KernelTable<float>& table<float>();
template const KernelTable<double>& table<double>();

}  // namespace fringe::reference

#include "kernels/table.h"

namespace fringe::reference {

template <class T>
const KernelTable<T>& table() {
  static constexpr KernelTable<T> kernels{
      .backend = "reference",
      .leaky_relu_forward = leaky_relu_forward<T>,
      .leaky_relu_backward = leaky_relu_backward<T>,
  };
  return kernels;
}

template const KernelTable<float>& table<float>();
template const KernelTable<double>& table<double>();

}  // namespace fringe::reference

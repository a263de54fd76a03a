// One slot per kernel and backend: the only place where a backend is chosen.
#pragma once
#include "kernels/conv3d.h"
#include "kernels/leaky_relu.h"

namespace fringe {

/// A backend's kernels. A slot may be empty (nullptr): callers go through `kernel()`, which names what is missing.
template <class T>
struct KernelTable {
  const char* backend;
  Conv3dForward<T>* conv3d_forward = nullptr;
  Conv3dBackwardData<T>* conv3d_backward_data = nullptr;
  Conv3dBackwardWeights<T>* conv3d_backward_weights = nullptr;
  LeakyReluForward<T>* leaky_relu_forward = nullptr;
  LeakyReluBackward<T>* leaky_relu_backward = nullptr;
};

/// The slot, or an Error that names backend and kernel. Never a silent fall-back.
template <class T, class F>
F* kernel(const KernelTable<T>& table, F* KernelTable<T>::* slot, const char* name) {
  F* f = table.*slot;
  require(f != nullptr, "{}: not implemented by backend '{}'", name, table.backend);
  return f;
}

namespace reference {
template <class T>
const KernelTable<T>& table();
}
namespace cpu {
const KernelTable<float>& table();
}

}  // namespace fringe

// One slot per kernel and backend: the only place where a backend is chosen.
#pragma once
#include "kernels/adam.h"
#include "kernels/add.h"
#include "kernels/batch_norm.h"
#include "kernels/conv3d.h"
#include "kernels/leaky_relu.h"
#include "kernels/max_pool.h"
#include "kernels/philox.h"
#include "kernels/scaled_tanh.h"
#include "kernels/sgd.h"
#include "kernels/upsample_nearest.h"

namespace fringe {

/// A backend's kernels. A slot may be empty (nullptr): callers go through `kernel()`, which names what is missing.
template <class T>
struct KernelTable {
  const char* backend;
  AdamStep<T>* adam_step = nullptr;
  Add<T>* add = nullptr;
  BatchNormForward<T>* batch_norm_forward = nullptr;
  BatchNormForwardEval<T>* batch_norm_forward_eval = nullptr;
  BatchNormBackward<T>* batch_norm_backward = nullptr;
  Conv3dForward<T>* conv3d_forward = nullptr;
  Conv3dBackwardData<T>* conv3d_backward_data = nullptr;
  Conv3dBackwardWeights<T>* conv3d_backward_weights = nullptr;
  LeakyReluForward<T>* leaky_relu_forward = nullptr;
  LeakyReluBackward<T>* leaky_relu_backward = nullptr;
  MaxPoolForward<T>* max_pool_forward = nullptr;
  MaxPoolBackward<T>* max_pool_backward = nullptr;
  PhiloxFill<T>* philox_uniform = nullptr;
  PhiloxFill<T>* philox_normal = nullptr;
  ScaledTanhForward<T>* scaled_tanh_forward = nullptr;
  ScaledTanhBackward<T>* scaled_tanh_backward = nullptr;
  SgdStep<T>* sgd_step = nullptr;
  UpsampleNearestForward<T>* upsample_nearest_forward = nullptr;
  UpsampleNearestBackward<T>* upsample_nearest_backward = nullptr;
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

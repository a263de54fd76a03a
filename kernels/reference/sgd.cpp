#include "kernels/sgd.h"

namespace fringe::reference {

template <class T>
void sgd_step(Stream&, const SgdParams& p, std::span<const SgdSlot<T>> slots) {
  const T rate = static_cast<T>(p.rate), momentum = static_cast<T>(p.momentum);
  for (const auto& s : slots)
    for (Index i = 0; i < s.value.size(); ++i) {
      s.m[i] = momentum * s.m[i] + s.gradient[i];  // (1)
      s.value[i] -= rate * s.m[i];                 // (2)
    }
}

template SgdStep<float> sgd_step<float>;
template SgdStep<double> sgd_step<double>;

}  // namespace fringe::reference

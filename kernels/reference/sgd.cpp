#include "kernels/sgd.h"

namespace fringe::reference {

template <class T>
void sgd_step(Stream&, const SgdParams& p, ConstView<T> rate, std::span<const SgdSlot<T>> slots) {
  const T momentum = static_cast<T>(p.momentum);
  for (const auto& s : slots)
    for (Index i = 0; i < s.value.size(); ++i) {
      s.m[i] = momentum * s.m[i] + s.gradient[i];  // (1)
      s.value[i] -= rate[0] * s.m[i];              // (2)
    }
}

template SgdStep<float> sgd_step<float>;
template SgdStep<double> sgd_step<double>;

}  // namespace fringe::reference

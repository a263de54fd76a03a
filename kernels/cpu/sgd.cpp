// Strategy: as the reference; a step moves a few megabytes at most, a negligible part of a training step.
#include "kernels/sgd.h"

namespace fringe::cpu {

void sgd_step(Stream&, const SgdParams& p, ConstView<float> rate, std::span<const SgdSlot<float>> slots) {
  const float momentum = static_cast<float>(p.momentum);
  for (const auto& s : slots)
    for (Index i = 0; i < s.value.size(); ++i) {
      s.m[i] = momentum * s.m[i] + s.gradient[i];  // (1)
      s.value[i] -= rate[0] * s.m[i];              // (2)
    }
}

}  // namespace fringe::cpu

// Strategy: one copy for each sample and slot, and none where y is the choice already.
#include "kernels/choose_smaller.h"

#include <algorithm>

namespace fringe::cpu {

void choose_smaller(Stream&, ConstView<float> score_a, ConstView<float> score_b, std::span<const ChoiceSlot<float>> slots) {
  choose_smaller::require_shapes(score_a.shape, score_b.shape, slots);
  for (const auto& s : slots) {
    const Index count = s.a.shape.per_sample();
    for (Index n = 0; n < score_a.shape.n; ++n) {
      const float* const from = (score_b[n] < score_a[n] ? s.b : s.a).data + n * count;
      float* const to = s.y.data + n * count;
      if (from != to) std::copy(from, from + count, to);  // (1)
    }
  }
}

}  // namespace fringe::cpu

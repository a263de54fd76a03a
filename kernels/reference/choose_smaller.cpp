#include "kernels/choose_smaller.h"

namespace fringe::reference {

template <class T>
void choose_smaller(Stream&, ConstView<T> score_a, ConstView<T> score_b, std::span<const ChoiceSlot<T>> slots) {
  choose_smaller::require_shapes(score_a.shape, score_b.shape, slots);
  for (const auto& s : slots) {
    const Index count = s.a.shape.per_sample();
    for (Index n = 0; n < score_a.shape.n; ++n) {
      const bool take_b = score_b[n] < score_a[n];
      for (Index i = n * count; i < (n + 1) * count; ++i) s.y[i] = take_b ? s.b[i] : s.a[i];  // (1)
    }
  }
}

template ChooseSmaller<float> choose_smaller<float>;
template ChooseSmaller<double> choose_smaller<double>;

}  // namespace fringe::reference

// choose_smaller: of two candidates the one with the smaller score, for each sample by itself.
//
//   (1)  y_n = b_n  where score_b[n] < score_a[n],   a_n  otherwise (also where a score is not a number)
//
// Shapes   scores (N,1,1,1,1); of each slot a, b and y alike, with N samples.
// Aliases  y may be a, or b: `y = a = the best so far` keeps the best of a run without the host's knowing the scores. A score
//          may itself be chosen where it is the only slot.
#pragma once
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct ChoiceSlot {
  ConstView<T> a, b;
  View<T> y;
};

namespace choose_smaller {
template <class T>
void require_shapes(const Shape& score_a, const Shape& score_b, std::span<const ChoiceSlot<T>> slots) {
  require_shape("choose_smaller", "score_b", score_b, score_a);
  require_shape("choose_smaller", "score_a", score_a, sample_vector(score_a.n));
  for (const auto& s : slots) {
    require_shape("choose_smaller", "b", s.b.shape, s.a.shape);
    require_shape("choose_smaller", "y", s.y.shape, s.a.shape);
    require(s.a.shape.n == score_a.n, "choose_smaller: {} samples, {} scores", s.a.shape.n, score_a.n);
  }
}
}  // namespace choose_smaller

template <class T>
using ChooseSmaller = void(Stream&, ConstView<T> score_a, ConstView<T> score_b, std::span<const ChoiceSlot<T>>);

namespace reference {
template <class T>
ChooseSmaller<T> choose_smaller;
}
namespace cpu {
ChooseSmaller<float> choose_smaller;
}
namespace cuda {
ChooseSmaller<float> choose_smaller;
}

}  // namespace fringe

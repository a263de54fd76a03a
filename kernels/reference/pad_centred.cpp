#include "kernels/pad_centred.h"

#include <algorithm>

namespace fringe {

void pad_centred::require_shapes(const Shape& small, const Shape& large) {
  require(small.n == large.n && small.c == large.c, "pad_centred: {} and {} differ in samples or channels", small.str(),
          large.str());
  require(small.d <= large.d && small.h <= large.h && small.w <= large.w,
          "pad_centred: the object {} is larger than its frame {}", small.str(), large.str());
}

namespace reference {

template <class T>
void pad_centred_forward(Stream&, ConstView<T> x, View<T> y) {
  pad_centred::require_shapes(x.shape, y.shape);
  const Shape &s = x.shape, &l = y.shape;
  std::fill(y.data, y.data + y.size(), T(0));
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c)
            y(n, d + l.d / 2 - s.d / 2, h + l.h / 2 - s.h / 2, w + l.w / 2 - s.w / 2, c) = x(n, d, h, w, c);  // (1)
}

template <class T>
void pad_centred_backward(Stream&, ConstView<T> dy, View<T> dx) {
  pad_centred::require_shapes(dx.shape, dy.shape);
  const Shape &s = dx.shape, &l = dy.shape;
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c)
            dx(n, d, h, w, c) = dy(n, d + l.d / 2 - s.d / 2, h + l.h / 2 - s.h / 2, w + l.w / 2 - s.w / 2, c);  // (2)
}

template PadCentredForward<float> pad_centred_forward<float>;
template PadCentredForward<double> pad_centred_forward<double>;
template PadCentredBackward<float> pad_centred_backward<float>;
template PadCentredBackward<double> pad_centred_backward<double>;

}  // namespace reference
}  // namespace fringe

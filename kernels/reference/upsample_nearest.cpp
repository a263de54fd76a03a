#include "kernels/upsample_nearest.h"

namespace fringe {

Shape upsample_nearest::output_shape(const Shape& x) { return {x.n, 2 * x.d, 2 * x.h, 2 * x.w, x.c}; }

Cost upsample_nearest::cost(const Shape& x, std::size_t element_bytes) {
  return {.flops = 0, .bytes = 9 * static_cast<double>(x.size()) * static_cast<double>(element_bytes)};
}

namespace reference {

template <class T>
void upsample_nearest_forward(Stream&, ConstView<T> x, View<T> y) {
  const Shape s = upsample_nearest::output_shape(x.shape);
  require_shape("upsample_nearest", "y", y.shape, s);
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c) y(n, d, h, w, c) = x(n, d / 2, h / 2, w / 2, c);  // (1)
}

template <class T>
void upsample_nearest_backward(Stream&, ConstView<T> dy, View<T> dx) {
  const Shape& s = dx.shape;
  require_shape("upsample_nearest", "dy", dy.shape, upsample_nearest::output_shape(s));
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c) {
            T sum = 0;
            for (int k = 0; k < 8; ++k) sum += dy(n, 2 * d + k / 4, 2 * h + k / 2 % 2, 2 * w + k % 2, c);
            dx(n, d, h, w, c) = sum;  // (2)
          }
}

template UpsampleNearestForward<float> upsample_nearest_forward<float>;
template UpsampleNearestForward<double> upsample_nearest_forward<double>;
template UpsampleNearestBackward<float> upsample_nearest_backward<float>;
template UpsampleNearestBackward<double> upsample_nearest_backward<double>;

}  // namespace reference
}  // namespace fringe

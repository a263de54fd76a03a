#include "kernels/max_pool.h"

namespace fringe {

Shape max_pool::output_shape(const Shape& x) {
  require(x.d % 2 == 0 && x.h % 2 == 0 && x.w % 2 == 0, "max_pool: sizes must be even, x has shape {}", x.str());
  return {x.n, x.d / 2, x.h / 2, x.w / 2, x.c};
}

Cost max_pool::cost(const Shape& x, std::size_t element_bytes) {
  const auto n = static_cast<double>(x.size());
  return {.flops = n, .bytes = n * static_cast<double>(element_bytes) * 9 / 8 + n / 8};
}

namespace reference {

template <class T>
void max_pool_forward(Stream&, ConstView<T> x, View<T> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("max_pool", "y", y.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c) {
            int best = 0;
            T value = x(n, 2 * d, 2 * h, 2 * w, c);
            for (int k = 1; k < 8; ++k) {
              const T v = x(n, 2 * d + k / 4, 2 * h + k / 2 % 2, 2 * w + k % 2, c);
              if (v > value) value = v, best = k;
            }
            y(n, d, h, w, c) = value;  // (1)
            which(n, d, h, w, c) = static_cast<std::uint8_t>(best);
          }
}

template <class T>
void max_pool_backward(Stream&, ConstView<std::uint8_t> which, ConstView<T> dy, View<T> dx) {
  const Shape s = max_pool::output_shape(dx.shape);
  require_shape("max_pool", "dy", dy.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c)
            for (int k = 0; k < 8; ++k)  // (2)
              dx(n, 2 * d + k / 4, 2 * h + k / 2 % 2, 2 * w + k % 2, c) =
                  which(n, d, h, w, c) == k ? dy(n, d, h, w, c) : T(0);
}

template MaxPoolForward<float> max_pool_forward<float>;
template MaxPoolForward<double> max_pool_forward<double>;
template MaxPoolBackward<float> max_pool_backward<float>;
template MaxPoolBackward<double> max_pool_backward<double>;

}  // namespace reference
}  // namespace fringe

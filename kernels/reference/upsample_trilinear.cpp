#include "kernels/upsample_trilinear.h"

#include <algorithm>

namespace fringe {

Shape upsample_trilinear::output_shape(const Shape& x) { return {x.n, 2 * x.d, 2 * x.h, 2 * x.w, x.c}; }

namespace reference {
namespace {

/// Calls body(output element, input element, weight) for every term of (1).
template <class Body>
void for_each_term(const Shape& x, const Body& body) {
  const Shape y = upsample_trilinear::output_shape(x);
  for (Index n = 0; n < y.n; ++n)
    for (Index d = 0; d < y.d; ++d)
      for (Index h = 0; h < y.h; ++h)
        for (Index w = 0; w < y.w; ++w) {
          Index from[3][2];
          upsample_trilinear::sources(d, x.d, from[0][0], from[0][1]);
          upsample_trilinear::sources(h, x.h, from[1][0], from[1][1]);
          upsample_trilinear::sources(w, x.w, from[2][0], from[2][1]);
          for (int k = 0; k < 8; ++k) {
            const int i = k >> 2, j = k >> 1 & 1, l = k & 1;
            const double weight = (i ? 0.25 : 0.75) * (j ? 0.25 : 0.75) * (l ? 0.25 : 0.75);
            for (Index c = 0; c < x.c; ++c)
              body((((n * y.d + d) * y.h + h) * y.w + w) * y.c + c,
                   (((n * x.d + from[0][i]) * x.h + from[1][j]) * x.w + from[2][l]) * x.c + c, weight);
          }
        }
}

}  // namespace

template <class T>
void upsample_trilinear_forward(Stream&, ConstView<T> x, View<T> y) {
  require_shape("upsample_trilinear", "y", y.shape, upsample_trilinear::output_shape(x.shape));
  std::fill(y.data, y.data + y.size(), T(0));
  for_each_term(x.shape, [&](Index o, Index i, double weight) { y[o] += static_cast<T>(weight) * x[i]; });  // (1)
}

template <class T>
void upsample_trilinear_backward(Stream&, ConstView<T> dy, View<T> dx) {
  require_shape("upsample_trilinear", "dy", dy.shape, upsample_trilinear::output_shape(dx.shape));
  std::fill(dx.data, dx.data + dx.size(), T(0));
  for_each_term(dx.shape, [&](Index o, Index i, double weight) { dx[i] += static_cast<T>(weight) * dy[o]; });  // (2)
}

template UpsampleTrilinearForward<float> upsample_trilinear_forward<float>;
template UpsampleTrilinearForward<double> upsample_trilinear_forward<double>;
template UpsampleTrilinearBackward<float> upsample_trilinear_backward<float>;
template UpsampleTrilinearBackward<double> upsample_trilinear_backward<double>;

}  // namespace reference
}  // namespace fringe

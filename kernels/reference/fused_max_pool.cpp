#include "kernels/fused_max_pool.h"

#include "kernels/max_pool.h"

namespace fringe::reference {

template <class T>
void fused_max_pool_forward(Stream&, ConstView<T> x, ConstView<T> affine, View<T> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("fused_max_pool", "y", y.shape, s);
  require_shape("fused_max_pool", "which", which.shape, s);
  if (affine) require_shape("fused_max_pool", "affine", affine.shape, batch_norm_fold::affine_shape(s.c));
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w)
          for (Index c = 0; c < s.c; ++c) {
            const T scale = affine ? affine[c] : T(1);
            int best = 0;
            T value = x(n, 2 * d, 2 * h, 2 * w, c);
            for (int k = 1; k < 8; ++k) {
              const T v = x(n, 2 * d + k / 4, 2 * h + k / 2 % 2, 2 * w + k % 2, c);
              if (scale > 0 ? v > value : scale < 0 && v < value) value = v, best = k;
            }
            y(n, d, h, w, c) = value;  // (1)
            which(n, d, h, w, c) = static_cast<std::uint8_t>(best);
          }
}

template FusedMaxPoolForward<float> fused_max_pool_forward<float>;
template FusedMaxPoolForward<double> fused_max_pool_forward<double>;

}  // namespace fringe::reference

// Strategy: as max_pool; the channel's scale decides whether the largest or the smallest is wanted.
#include "kernels/fused_max_pool.h"

#include "kernels/cuda/place.cuh"
#include "kernels/max_pool.h"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__global__ void fused_max_pool_kernel(Extents large, Extents small, unsigned count, const float* x, const float* affine, float* y,
                                      std::uint8_t* which) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    const float scale = affine != nullptr ? affine[p.c] : 1.0F;
    unsigned best = 0;
    float value = x[large.at(p.n, 2 * p.d, 2 * p.h, 2 * p.w, p.c)];
    for (unsigned k = 1; k < 8; ++k) {
      const float v = x[large.at(p.n, 2 * p.d + k / 4, 2 * p.h + k / 2 % 2, 2 * p.w + k % 2, p.c)];
      if (scale > 0 ? v > value : scale < 0 && v < value) value = v, best = k;
    }
    y[i] = value;  // (1)
    which[i] = static_cast<std::uint8_t>(best);
  });
}

}  // namespace

void fused_max_pool_forward(Stream& stream, ConstView<float> x, ConstView<float> affine, View<float> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("fused_max_pool", "y", y.shape, s);
  require_shape("fused_max_pool", "which", which.shape, s);
  if (affine) require_shape("fused_max_pool", "affine", affine.shape, batch_norm_fold::affine_shape(s.c));
  LAUNCH(fused_max_pool_kernel, grid_for(s.size(), threads), threads, 0, stream, Extents(x.shape), Extents(s), s.size(), x.data,
         affine.data, y.data, which.data);
}

}  // namespace fringe::cuda

// Strategy: forward, a thread for each y; backward, a thread for each y writes the eight dx. Neighbouring threads have
// neighbouring channels.
#include "kernels/max_pool.h"

#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__global__ void max_pool_forward_kernel(Extents large, Extents small, unsigned count, const float* x, float* y, std::uint8_t* which) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    unsigned best = 0;
    float value = x[large.at(p.n, 2 * p.d, 2 * p.h, 2 * p.w, p.c)];
    for (unsigned k = 1; k < 8; ++k) {
      const float v = x[large.at(p.n, 2 * p.d + k / 4, 2 * p.h + k / 2 % 2, 2 * p.w + k % 2, p.c)];
      if (v > value) value = v, best = k;
    }
    y[i] = value;  // (1)
    which[i] = static_cast<std::uint8_t>(best);
  });
}

__global__ void max_pool_backward_kernel(Extents large, Extents small, unsigned count, const std::uint8_t* which, const float* dy,
                                         float* dx) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    const unsigned best = which[i];
    const float g = dy[i];
    for (unsigned k = 0; k < 8; ++k)  // (2)
      dx[large.at(p.n, 2 * p.d + k / 4, 2 * p.h + k / 2 % 2, 2 * p.w + k % 2, p.c)] = best == k ? g : 0.0F;
  });
}

}  // namespace

void max_pool_forward(Stream& stream, ConstView<float> x, View<float> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("max_pool", "y", y.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  LAUNCH(max_pool_forward_kernel, grid_for(s.size(), threads), threads, 0, stream, Extents(x.shape), Extents(s), s.size(), x.data, y.data,
         which.data);
}

void max_pool_backward(Stream& stream, ConstView<std::uint8_t> which, ConstView<float> dy, View<float> dx) {
  const Shape s = max_pool::output_shape(dx.shape);
  require_shape("max_pool", "dy", dy.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  LAUNCH(max_pool_backward_kernel, grid_for(s.size(), threads), threads, 0, stream, Extents(dx.shape), Extents(s), s.size(), which.data,
         dy.data, dx.data);
}

}  // namespace fringe::cuda

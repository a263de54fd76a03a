// Strategy: forward, a thread for each y (writes are what counts: eight for one read); backward, a thread for each dx.
#include "kernels/upsample_nearest.h"

#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__global__ void upsample_nearest_forward_kernel(Extents small, Extents large, unsigned count, const float* x, float* y) {
  begin_kernel();
  for_each_place(count, large, [&](unsigned i, const Place& p) { y[i] = x[small.at(p.n, p.d / 2, p.h / 2, p.w / 2, p.c)]; });  // (1)
}

__global__ void upsample_nearest_backward_kernel(Extents small, Extents large, unsigned count, const float* dy, float* dx) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    float sum = 0;
    for (unsigned k = 0; k < 8; ++k) sum += dy[large.at(p.n, 2 * p.d + k / 4, 2 * p.h + k / 2 % 2, 2 * p.w + k % 2, p.c)];
    dx[i] = sum;  // (2)
  });
}

}  // namespace

void upsample_nearest_forward(Stream& stream, ConstView<float> x, View<float> y) {
  require_shape("upsample_nearest", "y", y.shape, upsample_nearest::output_shape(x.shape));
  LAUNCH(upsample_nearest_forward_kernel, grid_for(y.size(), threads), threads, 0, stream, Extents(x.shape), Extents(y.shape), y.size(),
         x.data, y.data);
}

void upsample_nearest_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  require_shape("upsample_nearest", "dy", dy.shape, upsample_nearest::output_shape(dx.shape));
  LAUNCH(upsample_nearest_backward_kernel, grid_for(dx.size(), threads), threads, 0, stream, Extents(dx.shape), Extents(dy.shape),
         dx.size(), dy.data, dx.data);
}

}  // namespace fringe::cuda

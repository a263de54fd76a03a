// Strategy: forward, a thread for each y reads its eight neighbours; backward, a thread for each dx gathers: along an axis an
// input is near (3/4) for outputs 2i and 2i+1, far (1/4) for 2i-1 and 2i+2, and far for itself at the edges (2i at the first,
// 2i+1 at the last). So no two threads write the same element.
#include "kernels/upsample_trilinear.h"

#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__device__ __forceinline__ unsigned far_source(unsigned o, unsigned extent) {
  const unsigned near = o / 2;
  return o % 2 == 0 ? (near > 0 ? near - 1 : 0) : (near + 1 < extent ? near + 1 : near);
}

__global__ void upsample_trilinear_forward_kernel(Extents small, Extents large, unsigned count, const float* x, float* y) {
  begin_kernel();
  for_each_place(count, large, [&](unsigned i, const Place& p) {
    const unsigned d[2] = {p.d / 2, far_source(p.d, small.d)}, h[2] = {p.h / 2, far_source(p.h, small.h)},
                   w[2] = {p.w / 2, far_source(p.w, small.w)};
    float sum = 0;
    for (unsigned k = 0; k < 8; ++k) {
      const float weight = (k & 4 ? 0.25F : 0.75F) * (k & 2 ? 0.25F : 0.75F) * (k & 1 ? 0.25F : 0.75F);
      sum += weight * x[small.at(p.n, d[k >> 2], h[k >> 1 & 1], w[k & 1], p.c)];
    }
    y[i] = sum;  // (1)
  });
}

/// The outputs 2i-1 .. 2i+2 that input i of an axis enters, and with what weight; 0 for those outside.
__device__ __forceinline__ void outputs_of(unsigned i, unsigned extent, float (&weight)[4]) {
  weight[0] = i > 0 ? 0.25F : 0.0F;
  weight[1] = i > 0 ? 0.75F : 1.0F;
  weight[2] = i + 1 < extent ? 0.75F : 1.0F;
  weight[3] = i + 1 < extent ? 0.25F : 0.0F;
}

__global__ void upsample_trilinear_backward_kernel(Extents small, Extents large, unsigned count, const float* dy, float* dx) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    float wd[4], wh[4], ww[4];
    outputs_of(p.d, small.d, wd);
    outputs_of(p.h, small.h, wh);
    outputs_of(p.w, small.w, ww);
    float sum = 0;
    for (unsigned k = 0; k < 64; ++k) {
      const unsigned a = k / 16, b = k / 4 % 4, c = k % 4;
      const float weight = wd[a] * wh[b] * ww[c];
      if (weight != 0) sum += weight * dy[large.at(p.n, 2 * p.d + a - 1, 2 * p.h + b - 1, 2 * p.w + c - 1, p.c)];
    }
    dx[i] = sum;  // (2)
  });
}

}  // namespace

void upsample_trilinear_forward(Stream& stream, ConstView<float> x, View<float> y) {
  require_shape("upsample_trilinear", "y", y.shape, upsample_trilinear::output_shape(x.shape));
  LAUNCH(upsample_trilinear_forward_kernel, grid_for(y.size(), threads), threads, 0, stream, Extents(x.shape), Extents(y.shape), y.size(),
         x.data, y.data);
}

void upsample_trilinear_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  require_shape("upsample_trilinear", "dy", dy.shape, upsample_trilinear::output_shape(dx.shape));
  LAUNCH(upsample_trilinear_backward_kernel, grid_for(dx.size(), threads), threads, 0, stream, Extents(dx.shape), Extents(dy.shape),
         dx.size(), dy.data, dx.data);
}

}  // namespace fringe::cuda

// Strategy: a thread for each element of the result.
#include "kernels/pad_centred.h"

#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

/// Where the smaller array begins in the larger.
struct Corner {
  unsigned d, h, w;
  Corner(const Shape& small, const Shape& large)
      : d(static_cast<unsigned>(large.d / 2 - small.d / 2)), h(static_cast<unsigned>(large.h / 2 - small.h / 2)),
        w(static_cast<unsigned>(large.w / 2 - small.w / 2)) {}
};

__global__ void pad_centred_forward_kernel(Extents small, Extents large, Corner corner, unsigned count, const float* x, float* y) {
  begin_kernel();
  for_each_place(count, large, [&](unsigned i, const Place& p) {
    const unsigned d = p.d - corner.d, h = p.h - corner.h, w = p.w - corner.w;  // before the corner: a huge number
    y[i] = d < small.d && h < small.h && w < small.w ? x[small.at(p.n, d, h, w, p.c)] : 0.0F;  // (1)
  });
}

__global__ void pad_centred_backward_kernel(Extents small, Extents large, Corner corner, unsigned count, const float* dy, float* dx) {
  begin_kernel();
  for_each_place(count, small, [&](unsigned i, const Place& p) {
    dx[i] = dy[large.at(p.n, p.d + corner.d, p.h + corner.h, p.w + corner.w, p.c)];  // (2)
  });
}

}  // namespace

void pad_centred_forward(Stream& stream, ConstView<float> x, View<float> y) {
  pad_centred::require_shapes(x.shape, y.shape);
  LAUNCH(pad_centred_forward_kernel, grid_for(y.size(), threads), threads, 0, stream, Extents(x.shape), Extents(y.shape),
         Corner(x.shape, y.shape), y.size(), x.data, y.data);
}

void pad_centred_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  pad_centred::require_shapes(dx.shape, dy.shape);
  LAUNCH(pad_centred_backward_kernel, grid_for(dx.size(), threads), threads, 0, stream, Extents(dx.shape), Extents(dy.shape),
         Corner(dx.shape, dy.shape), dx.size(), dy.data, dx.data);
}

}  // namespace fringe::cuda

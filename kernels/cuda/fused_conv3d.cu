// fused_conv3d on CUDA: the kernels of conv3d.cu, conv3d_weights.cu and conv3d_single.cu, which read through an affine, an
// upsampling or a pending gradient (conv3d_operand.cuh) and end with bias and LeakyReLU.
//
// The normalised input and the gradient g never exist in memory. The statistics (3) and daffine (6) are sums over voxels in
// kernels of their own (conv3d_sums.cu): one more crossing of y, or of dx and x. An upsampled input's gradient is made at full
// extents in the stream's workspace and then summed over 2 x 2 x 2 voxels, one thread an element of dx.
#include "kernels/conv3d.h"
#include "kernels/cuda/conv3d_sums.cuh"
#include "kernels/fused_conv3d.h"

namespace fringe::cuda {
namespace {

/// dx[n,d,h,w,c] = sum of the eight full[n,2d+i,2h+j,2w+k,c]; d, h, w are dx's extents.
__global__ void sum_of_eight_kernel(const float* __restrict__ full, float* __restrict__ dx, Index size, int d, int h, int w,
                                    int channels) {
  begin_kernel();
  for (Index at = global_thread(); at < size; at += global_threads()) {
    const Index row = at / channels, c = at % channels;
    const Index in_w = row % w, in_h = row / w % h, plane = row / w / h;  // plane = n * d + in_d
    float sum = 0;
#pragma unroll
    for (int i = 0; i < 8; ++i)
      sum += full[(((2 * plane + i / 4) * 2 * h + 2 * in_h + i / 2 % 2) * 2 * w + 2 * in_w + i % 2) * channels + c];
    dx[at] = sum;
  }
}

}  // namespace

void finish_data_gradient(Stream& stream, const Reading<float>& x, ConstView<float> full, View<float> dx, View<float> daffine) {
  if (x.upsampled)
    LAUNCH(sum_of_eight_kernel, grid_for(dx.size(), 256), 256, 0, stream, full.data, dx.data, dx.size(),
           static_cast<int>(dx.shape.d), static_cast<int>(dx.shape.h), static_cast<int>(dx.shape.w),
           static_cast<int>(dx.shape.c));
  if (daffine) affine_gradient(stream, dx, x.x.data, x.affine.data, daffine.data);
}

void fused_conv3d_forward(Stream& stream, float slope, const Reading<float>& x, ConstView<float> w, ConstView<float> b,
                          View<float> y, View<float> statistics_of_y) {
  fused_conv3d::require_operand("fused_conv3d", x);
  conv3d::require_forward(x.shape(), w.shape, b ? &b.shape : nullptr, y.shape);
  if (statistics_of_y) fused_conv3d::require_statistics("fused_conv3d", statistics_of_y.shape, y.shape.c);
  convolve(stream, y.shape, w.shape, Operand::of(x), w.data, b.data, slope, false, y);  // (2)
  if (statistics_of_y) statistics(stream, y, statistics_of_y.data);                     // (3)
}

void fused_conv3d_backward_data(Stream& stream, const PendingGradient<float>& g, ConstView<float> w, const Reading<float>& x,
                                View<float> dx, View<float> daffine) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", g);
  require_shape("fused_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_conv3d", "daffine", daffine.shape, x.affine.shape);
  conv3d::require_backward_data(g.y.shape, w.shape, x.shape());
  const View<float> full = x.upsampled ? View<float>{stream.workspace<float>(x.shape().size()), x.shape()} : dx;
  convolve(stream, g.y.shape, w.shape, Operand::of(g), w.data, nullptr, 1, true, full);  // (5)
  finish_data_gradient(stream, x, full, dx, daffine);
}

void fused_conv3d_backward_weights(Stream& stream, const Reading<float>& x, const PendingGradient<float>& g, View<float> dw,
                                   View<float> db) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", g);
  conv3d::require_backward_weights(x.shape(), g.y.shape, dw.shape, db ? &db.shape : nullptr);
  weight_gradient(stream, g.y.shape, Operand::of(x), Operand::of(g), dw, db);  // (7)
}

}  // namespace fringe::cuda

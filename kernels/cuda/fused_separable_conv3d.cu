// fused_separable_conv3d on CUDA: three convolutions, in one pass or in three (separable_conv3d.cu), that read through the affine
// and upsampling before them, end with the LeakyReLU, and form the gradient that reaches them while loading. Statistics and daffine
// are sums over voxels in kernels of their own (conv3d_sums.cu).
#include "kernels/cuda/conv3d_sums.cuh"
#include "kernels/cuda/separable_conv3d.cuh"
#include "kernels/fused_separable_conv3d.h"

namespace fringe::cuda {

void fused_separable_conv3d_forward(Stream& stream, float slope, const Reading<float>& x,
                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v, View<float> y,
                                    View<float> statistics_of_y) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  if (statistics_of_y) fused_conv3d::require_statistics("fused_separable_conv3d", statistics_of_y.shape, y.shape.c);
  separable_forward(stream, slope, Operand::of(x), k, u, v, y);
  if (statistics_of_y) statistics(stream, y, statistics_of_y.data);
}

void fused_separable_conv3d_backward(Stream& stream, const Reading<float>& x, ConstView<float> u, ConstView<float> v,
                                     const SeparableWeights<ConstView<float>>& k, const PendingGradient<float>& g,
                                     View<float> dv, View<float> du, View<float> dx, View<float> daffine,
                                     const SeparableWeights<View<float>>& gradients) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  fused_conv3d::require_operand("fused_separable_conv3d", g);
  if (dx) require_shape("fused_separable_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_separable_conv3d", "daffine", daffine.shape, x.affine.shape);
  const View<float> full = dx && x.upsampled ? View<float>{stream.workspace<float>(x.shape().size()), x.shape()} : dx;
  separable_backward(stream, Operand::of(x), u, v, k, Operand::of(g), dv, du, full, gradients);
  if (dx) finish_data_gradient(stream, x, full, dx, daffine);
}

}  // namespace fringe::cuda

// The composition, step by step, with this backend's convolutions.
#include "kernels/fused_separable_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/leaky_relu.h"

namespace fringe::cpu {

void fused_separable_conv3d_forward(Stream& stream, float slope, const Reading<float>& x,
                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v, View<float> y,
                                    View<float> statistics) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_separable_conv3d", statistics.shape, y.shape.c);
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  float* memory = stream.workspace<float>(full.size() + (u ? 0 : 2 * middle.size()));
  const View<float> z(memory, full);
  if (!u) u = {memory + full.size(), middle};
  if (!v) v = {memory + full.size() + middle.size(), middle};
  reference::read_through<float>(x, z);
  conv3d_forward(stream, z, k.wd, k.bd, u);  // (1)
  conv3d_forward(stream, u, k.wh, k.bh, v);
  conv3d_forward(stream, v, k.ww, k.bw, y);
  leaky_relu_forward(stream, slope, y, y);
  if (statistics) reference::measure_statistics<float>(y, statistics);
}

void fused_separable_conv3d_backward(Stream& stream, const Reading<float>& x, ConstView<float> u, ConstView<float> v,
                                     const SeparableWeights<ConstView<float>>& k, const PendingGradient<float>& p, View<float> dv,
                                     View<float> du, View<float> dx, View<float> daffine,
                                     const SeparableWeights<View<float>>& gradients) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  fused_conv3d::require_operand("fused_separable_conv3d", p);
  if (dx) require_shape("fused_separable_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_separable_conv3d", "daffine", daffine.shape, x.affine.shape);
  const Shape full = x.shape();
  float* memory = stream.workspace<float>(p.y.size() + 2 * full.size());
  const View<float> g(memory, p.y.shape), z(memory + p.y.size(), full), dz(z.data + z.size(), full);
  reference::form_gradient<float>(p, g);
  conv3d_backward_weights(stream, v, g, gradients.ww, gradients.bw);  // (2)
  conv3d_backward_data(stream, g, k.ww, dv);
  conv3d_backward_weights(stream, u, dv, gradients.wh, gradients.bh);
  conv3d_backward_data(stream, dv, k.wh, du);
  reference::read_through<float>(x, z);
  conv3d_backward_weights(stream, z, du, gradients.wd, gradients.bd);
  if (!dx) return;
  conv3d_backward_data(stream, du, k.wd, dz);
  reference::finish_data_gradient<float>(x, dz, dx, daffine);
}

}  // namespace fringe::cpu

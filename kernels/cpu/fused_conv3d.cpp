// The composition, step by step, with this backend's convolutions.
#include "kernels/fused_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/leaky_relu.h"

namespace fringe::cpu {

void fused_conv3d_forward(Stream& stream, float slope, const Reading<float>& x, ConstView<float> w, ConstView<float> b,
                          View<float> y, View<float> statistics) {
  fused_conv3d::require_operand("fused_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_conv3d", statistics.shape, y.shape.c);
  const View<float> z(stream.workspace<float>(x.shape().size()), x.shape());
  reference::read_through<float>(x, z);
  conv3d_forward(stream, z, w, b, y);
  leaky_relu_forward(stream, slope, y, y);
  if (statistics) reference::measure_statistics<float>(y, statistics);
}

void fused_conv3d_backward_data(Stream& stream, const PendingGradient<float>& p, ConstView<float> w, const Reading<float>& x,
                                View<float> dx, View<float> daffine) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", p);
  require_shape("fused_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_conv3d", "daffine", daffine.shape, x.affine.shape);
  float* memory = stream.workspace<float>(p.y.size() + x.shape().size());
  const View<float> g(memory, p.y.shape), full(memory + p.y.size(), x.shape());
  reference::form_gradient<float>(p, g);
  conv3d_backward_data(stream, g, w, full);
  reference::finish_data_gradient<float>(x, full, dx, daffine);
}

void fused_conv3d_backward_weights(Stream& stream, const Reading<float>& x, const PendingGradient<float>& p, View<float> dw,
                                   View<float> db) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", p);
  float* memory = stream.workspace<float>(p.y.size() + x.shape().size());
  const View<float> g(memory, p.y.shape), z(memory + p.y.size(), x.shape());
  reference::read_through<float>(x, z);
  reference::form_gradient<float>(p, g);
  conv3d_backward_weights(stream, z, g, dw, db);
}

}  // namespace fringe::cpu

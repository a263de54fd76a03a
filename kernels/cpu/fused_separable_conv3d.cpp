// Strategy: three convolutions by kernels/cpu/convolution.h, the normalisation in the prologue of the first, LeakyReLU and
// statistics in the epilogue of the last, the gradient's sums in the epilogue of the last data gradient.
#include "kernels/fused_separable_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/cpu/convolution.h"

namespace fringe::cpu {
namespace {

/// x itself, or where it is upsampled, the array as it is read.
Reading<float> readable(const Reading<float>& x, View<float> full) {
  if (!x.upsampled) return x;
  reference::read_through<float>(x, full);
  return {full, {}, false};
}

}  // namespace

void fused_separable_conv3d_forward(Stream& stream, float slope, const Reading<float>& x,
                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v, View<float> y,
                                    View<float> statistics) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_separable_conv3d", statistics.shape, y.shape.c);
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  const Index full_size = x.upsampled ? full.size() : 0;
  float* memory = stream.workspace<float>(full_size + (u ? 0 : 2 * middle.size()));
  if (!u) u = {memory + full_size, middle};
  if (!v) v = {memory + full_size + middle.size(), middle};
  conv3d::require_forward(full, k.wd.shape, &k.bd.shape, u.shape);
  conv3d::require_forward(u.shape, k.wh.shape, &k.bh.shape, v.shape);
  conv3d::require_forward(v.shape, k.ww.shape, &k.bw.shape, y.shape);
  convolve(stream, RowSource(readable(x, {memory, full})), k.wd, false, k.bd.data, u, {});  // (1)
  convolve(stream, RowSource(u), k.wh, false, k.bh.data, v, {});
  convolve(stream, RowSource(v), k.ww, false, k.bw.data, y, {.slope = slope, .statistics = statistics.data});
}

void fused_separable_conv3d_backward(Stream& stream, const Reading<float>& x, ConstView<float> u, ConstView<float> v,
                                     const SeparableWeights<ConstView<float>>& k, const PendingGradient<float>& g, View<float> dv,
                                     View<float> du, View<float> dx, View<float> daffine,
                                     const SeparableWeights<View<float>>& d) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  fused_conv3d::require_operand("fused_separable_conv3d", g);
  conv3d::require_backward_weights(v.shape, g.y.shape, d.ww.shape, &d.bw.shape);
  conv3d::require_backward_weights(u.shape, dv.shape, d.wh.shape, &d.bh.shape);
  conv3d::require_backward_weights(x.shape(), du.shape, d.wd.shape, &d.bd.shape);
  if (dx) require_shape("fused_separable_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_separable_conv3d", "daffine", daffine.shape, x.affine.shape);
  convolve_weights(stream, RowSource(v), RowSource(g), d.ww, d.bw.data);  // (2)
  convolve(stream, RowSource(g), k.ww, true, nullptr, dv, {});
  convolve_weights(stream, RowSource(u), RowSource(dv), d.wh, d.bh.data);
  convolve(stream, RowSource(dv), k.wh, true, nullptr, du, {});
  const Shape full = x.shape();
  const View<float> work(x.upsampled ? stream.workspace<float>(full.size()) : nullptr, full);
  convolve_weights(stream, RowSource(readable(x, work)), RowSource(du), d.wd, d.bd.data);
  if (!dx) return;
  if (x.upsampled) {
    convolve(stream, RowSource(du), k.wd, true, nullptr, work, {});
    return reference::finish_data_gradient<float>(x, work, dx, daffine);
  }
  Epilogue epilogue;
  if (daffine) epilogue = {.moment = x.x.data, .affine = x.affine.data, .daffine = daffine.data};
  convolve(stream, RowSource(du), k.wd, true, nullptr, dx, epilogue);
}

}  // namespace fringe::cpu

// Strategy: kernels/cpu/convolution.h. Kernels of another size than 3x3x3 over an upsampled array are rare: they get the array
// written out.
#include "kernels/fused_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/cpu/convolution.h"

namespace fringe::cpu {
namespace {

bool three_cubed(const Shape& w) { return w.n == 3 && w.d == 3 && w.h == 3; }

/// x itself, or where it is upsampled and the kernel is not 3x3x3, the array as it is read.
Reading<float> readable(Stream& stream, const Reading<float>& x, const Shape& w) {
  if (!x.upsampled || three_cubed(w)) return x;
  const View<float> full(stream.workspace<float>(x.shape().size()), x.shape());
  reference::read_through<float>(x, full);
  return {full, {}, false};
}

}  // namespace

void fused_conv3d_forward(Stream& stream, float slope, const Reading<float>& x, ConstView<float> w, ConstView<float> b,
                          View<float> y, View<float> statistics) {
  fused_conv3d::require_operand("fused_conv3d", x);
  conv3d::require_forward(x.shape(), w.shape, &b.shape, y.shape);
  if (statistics) fused_conv3d::require_statistics("fused_conv3d", statistics.shape, y.shape.c);
  const Reading<float> r = readable(stream, x, w.shape);
  const Epilogue epilogue{.slope = slope, .statistics = statistics.data};
  if (r.upsampled)
    convolve_upsampled(stream, RowSource(r), w, b.data, y, epilogue);
  else
    convolve(stream, RowSource(r), w, false, b.data, y, epilogue);
}

void fused_conv3d_backward_data(Stream& stream, const PendingGradient<float>& g, ConstView<float> w, const Reading<float>& x,
                                View<float> dx, View<float> daffine) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", g);
  conv3d::require_backward_data(g.y.shape, w.shape, x.shape());
  require_shape("fused_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_conv3d", "daffine", daffine.shape, x.affine.shape);
  if (x.upsampled && !three_cubed(w.shape)) {
    const View<float> full(stream.workspace<float>(x.shape().size()), x.shape());
    convolve(stream, RowSource(g), w, true, nullptr, full, {});
    return reference::finish_data_gradient<float>(x, full, dx, daffine);
  }
  Epilogue epilogue;
  if (daffine) epilogue = {.moment = x.x.data, .affine = x.affine.data, .daffine = daffine.data};
  if (x.upsampled)
    convolve_upsampled_data(stream, RowSource(g), w, dx, epilogue);
  else
    convolve(stream, RowSource(g), w, true, nullptr, dx, epilogue);
}

void fused_conv3d_backward_weights(Stream& stream, const Reading<float>& x, const PendingGradient<float>& g, View<float> dw,
                                   View<float> db) {
  fused_conv3d::require_operand("fused_conv3d", x);
  fused_conv3d::require_operand("fused_conv3d", g);
  conv3d::require_backward_weights(x.shape(), g.y.shape, dw.shape, &db.shape);
  const Reading<float> r = readable(stream, x, dw.shape);
  if (r.upsampled)
    convolve_upsampled_weights(stream, RowSource(r), RowSource(g), dw, db.data);
  else
    convolve_weights(stream, RowSource(r), RowSource(g), dw, db.data);
}

}  // namespace fringe::cpu

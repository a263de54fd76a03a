// Strategy: the three register-blocked convolutions one after another. Keeping u and v in cache (tiles with a halo) is the
// work of the fused engine; at 64^3 the intermediates cross memory once each way.
#include "kernels/separable_conv3d.h"

#include "kernels/conv3d.h"

namespace fringe::cpu {

void separable_conv3d_forward(Stream& stream, ConstView<float> x, const SeparableWeights<ConstView<float>>& k, View<float> u,
                              View<float> v, View<float> y) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  conv3d_forward(stream, x, k.wd, k.bd, u);  // (1)
  conv3d_forward(stream, u, k.wh, k.bh, v);
  conv3d_forward(stream, v, k.ww, k.bw, y);
}

void separable_conv3d_backward(Stream& stream, ConstView<float> x, ConstView<float> u, ConstView<float> v,
                               const SeparableWeights<ConstView<float>>& k, ConstView<float> dy, View<float> dv,
                               View<float> du, View<float> dx, const SeparableWeights<View<float>>& g) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  conv3d_backward_weights(stream, v, dy, g.ww, g.bw);  // (2)
  conv3d_backward_data(stream, dy, k.ww, dv);
  conv3d_backward_weights(stream, u, dv, g.wh, g.bh);
  conv3d_backward_data(stream, dv, k.wh, du);
  conv3d_backward_weights(stream, x, du, g.wd, g.bd);
  if (dx) conv3d_backward_data(stream, du, k.wd, dx);
}

}  // namespace fringe::cpu

// separable_conv3d on CUDA, and what fused_separable_conv3d shares with it: three convolutions one after another, by the
// kernels of conv3d.cu.
//
// u and v are saved for the backward pass, so a kernel that kept them in shared memory would still write them; what this
// composition pays beside such a kernel is reading u and v back (2 of 6 crossings of memory), and in inference writing them,
// too. The first convolution reads through the affine and upsampling before it, the last ends with the LeakyReLU, and the
// gradient that reaches the block is formed while loading: normalised input and gradient do not exist in memory.
#include "kernels/conv3d.h"
#include "kernels/cuda/separable_conv3d.cuh"

namespace fringe::cuda {

void separable_forward(Stream& stream, float slope, const Operand& x, const SeparableWeights<ConstView<float>>& k,
                       View<float> u, View<float> v, View<float> y) {
  const auto step = [&](const Operand& in, ConstView<float> w, ConstView<float> b, float end, View<float> out) {
    conv3d::require_forward(out.shape.with_channels(in.channels), w.shape, &b.shape, out.shape);
    convolve(stream, out.shape, w.shape, in, w.data, b.data, end, false, out);
  };
  step(x, k.wd, k.bd, 1, u);  // (1)
  step(Operand::of(ConstView<float>(u)), k.wh, k.bh, 1, v);
  step(Operand::of(ConstView<float>(v)), k.ww, k.bw, slope, y);
}

void separable_backward(Stream& stream, const Operand& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const Operand& dy, View<float> dv, View<float> du,
                        View<float> dx, const SeparableWeights<View<float>>& g) {
  const Shape& volume = u.shape;
  const auto weights = [&](const Operand& in, const Operand& d, View<float> dw, View<float> db) {
    conv3d::require_backward_weights(volume.with_channels(in.channels), volume.with_channels(d.channels), dw.shape, &db.shape);
    weight_gradient(stream, volume, in, d, dw, db);
  };
  const auto data = [&](const Operand& d, ConstView<float> w, View<float> out) {
    conv3d::require_backward_data(volume.with_channels(d.channels), w.shape, out.shape);
    convolve(stream, volume, w.shape, d, w.data, nullptr, 1, true, out);
  };
  const Operand of_dv = Operand::of(ConstView<float>(dv)), of_du = Operand::of(ConstView<float>(du));
  weights(Operand::of(v), dy, g.ww, g.bw);  // (2)
  data(dy, k.ww, dv);
  weights(Operand::of(u), of_dv, g.wh, g.bh);
  data(of_dv, k.wh, du);
  weights(x, of_du, g.wd, g.bd);
  if (dx) data(of_du, k.wd, dx);
}

void separable_conv3d_forward(Stream& stream, ConstView<float> x, const SeparableWeights<ConstView<float>>& k, View<float> u,
                              View<float> v, View<float> y) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  separable_forward(stream, 1, Operand::of(x), k, u, v, y);
}

void separable_conv3d_backward(Stream& stream, ConstView<float> x, ConstView<float> u, ConstView<float> v,
                               const SeparableWeights<ConstView<float>>& k, ConstView<float> dy, View<float> dv, View<float> du,
                               View<float> dx, const SeparableWeights<View<float>>& g) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  separable_backward(stream, Operand::of(x), u, v, k, Operand::of(dy), dv, du, dx, g);
}

}  // namespace fringe::cuda

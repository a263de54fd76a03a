// separable_conv3d on CUDA, and what fused_separable_conv3d shares with it: three convolutions one after another, by the
// kernels of conv3d.cu, or all of them at once (separable_one_pass.cu), whichever was measured to be or should be faster. In
// inference the three passes have u and v in the stream's workspace.
//
// The first convolution reads through the affine and upsampling before it, the last ends with the LeakyReLU, and the
// gradient that reaches the block is formed while loading: normalised input and gradient do not exist in memory.
#include "kernels/conv3d.h"
#include "kernels/cuda/choices.h"
#include "kernels/cuda/separable_conv3d.cuh"

namespace fringe::cuda {
namespace {

/// By `one_pass`, where it can be, or by `three_passes`.
void run_either(Stream& stream, const char* operation, const Shape& volume, const SeparableWeights<ConstView<float>>& k,
                const std::function<void()>& one_pass, const std::function<void()>& three_passes) {
  const Shape kernel{k.wd.shape.n, k.wh.shape.d, k.ww.shape.h, k.wd.shape.w, k.ww.shape.c};
  const Work work{operation, volume, kernel, stream.precision()};
  const Candidate one{Way::one_pass, one_pass}, three{Way::own, three_passes};
  if (!one_pass)
    run_one_of(stream, work, {three});
  else if (separable_pays_in_one_pass(stream, volume))
    run_one_of(stream, work, {one, three});
  else
    run_one_of(stream, work, {three, one});
}

}  // namespace

void separable_forward(Stream& stream, float slope, const Operand& x, const SeparableWeights<ConstView<float>>& k,
                       View<float> u, View<float> v, View<float> y) {
  const Shape middle = y.shape.with_channels(k.bd.shape.c);
  conv3d::require_forward(y.shape.with_channels(x.channels), k.wd.shape, &k.bd.shape, u ? u.shape : middle);
  conv3d::require_forward(middle, k.wh.shape, &k.bh.shape, v ? v.shape : middle);
  conv3d::require_forward(middle, k.ww.shape, &k.bw.shape, y.shape);
  run_either(stream, "separable_forward", y.shape, k, separable_forward_in_one_pass(stream, slope, x, k, u, v, y), [&] {
    float* const memory = u ? nullptr : stream.workspace<float>(2 * middle.size());
    const View<float> to_u = u ? u : View<float>{memory, middle}, to_v = u ? v : View<float>{memory + middle.size(), middle};
    convolve(stream, y.shape, k.wd.shape, x, k.wd.data, k.bd.data, 1, false, to_u);  // (1)
    convolve(stream, y.shape, k.wh.shape, Operand::of(ConstView<float>(to_u)), k.wh.data, k.bh.data, 1, false, to_v);
    convolve(stream, y.shape, k.ww.shape, Operand::of(ConstView<float>(to_v)), k.ww.data, k.bw.data, slope, false, y);
  });
}

void separable_backward(Stream& stream, const Operand& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const Operand& dy, View<float> dv, View<float> du,
                        View<float> dx, const SeparableWeights<View<float>>& g) {
  const Shape& volume = u.shape;
  const auto weights = [&](const Operand& in, const Operand& d, View<float> dw, View<float> db) {
    conv3d::require_backward_weights(volume.with_channels(in.channels), volume.with_channels(d.channels), dw.shape, &db.shape);
    weight_gradient(stream, volume, in, d, dw, db);
  };
  const Operand of_dv = Operand::of(ConstView<float>(dv)), of_du = Operand::of(ConstView<float>(du));
  conv3d::require_backward_data(volume.with_channels(dy.channels), k.ww.shape, dv.shape);
  conv3d::require_backward_data(dv.shape, k.wh.shape, du.shape);
  if (dx) conv3d::require_backward_data(du.shape, k.wd.shape, dx.shape);
  const auto one_pass = dx ? separable_data_gradient_in_one_pass(stream, dy, k, dv, du, dx) : std::function<void()>{};
  run_either(stream, "separable_data_gradient", volume, k, one_pass, [&] {
    convolve(stream, volume, k.ww.shape, dy, k.ww.data, nullptr, 1, true, dv);  // (2)
    convolve(stream, volume, k.wh.shape, of_dv, k.wh.data, nullptr, 1, true, du);
    if (dx) convolve(stream, volume, k.wd.shape, of_du, k.wd.data, nullptr, 1, true, dx);
  });
  weights(Operand::of(v), dy, g.ww, g.bw);
  weights(Operand::of(u), of_dv, g.wh, g.bh);
  weights(x, of_du, g.wd, g.bd);
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

#include "autograd/fused_end.h"

namespace fringe::autograd {

template <class T>
Activation<T> fused_separable_conv3d(const Activation<T>& x, const SeparableWeights<Variable<T>>& k, const FusedEnd<T>& end) {
  auto& tape = k.wd.tape();
  const Shape in = x.reading().shape(), middle = in.with_channels(k.bd.shape().c);
  const Tensor<T> y = tape.tensor(in.with_channels(k.bw.shape().c));
  const auto& context = tape.context();
  const bool packed = context.stream.precision() == Precision::bfloat16 && context.kernels.packs_bfloat16 != nullptr &&
                      context.kernels.packs_bfloat16();
  const Shape kept = packed ? fused_separable_conv3d::packed_shape(middle) : middle;
  const bool keeps_all = context.kernels.separable_keeps_all == nullptr ||
                         context.kernels.separable_keeps_all(context.stream, in, x.reading().upsampled, in.c, middle.c, y.shape().c);
  const Tensor<T> u = tape.recording() ? tape.tensor(kept) : Tensor<T>();
  const Tensor<T> v = tape.recording() && keeps_all ? tape.tensor(kept) : Tensor<T>();
  const Tensor<T> statistics = statistics_for(tape, end, y.shape().c);
  const auto views = [](const SeparableWeights<Variable<T>>& w) {
    return SeparableWeights<ConstView<T>>{w.wd.value().read(), w.bd.value().read(), w.wh.value().read(),
                                          w.bh.value().read(), w.ww.value().read(), w.bw.value().read()};
  };
  tape.launch(&KernelTable<T>::fused_separable_conv3d_forward, "fused_separable_conv3d_forward", end.slope, x.reading(), views(k),
              u.view(), v.view(), y.view(), statistics.view());
  // saves: x with its affine, u, v where it is kept, weights
  const auto backward = [&tape, x, k, u, v, keeps_all, views](const PendingGradient<T>& g) {
    const Tensor<T> dv = keeps_all ? tape.tensor(v.shape()) : Tensor<T>(), du = keeps_all ? tape.tensor(u.shape()) : Tensor<T>();
    const Variable<T> inputs[] = {k.wd, k.bd, k.wh, k.bh, k.ww, k.bw};
    View<T> d[6];
    // The places are handed out one inside the other; the kernel runs in the innermost.
    const std::function<void(std::size_t)> place = [&](std::size_t i) {
      if (i < 6)
        return tape.accumulate(inputs[i], [&](View<T> gradient) {
          d[i] = gradient;
          place(i + 1);
        });
      const auto launch = [&](View<T> dx, View<T> daffine) {
        tape.launch(&KernelTable<T>::fused_separable_conv3d_backward, "fused_separable_conv3d_backward", x.reading(), u.read(),
                    v.read(), views(k), g, dv.view(), du.view(), dx, daffine,
                    SeparableWeights<View<T>>{d[0], d[1], d[2], d[3], d[4], d[5]});
      };
      x.x.needs_grad() ? accumulate<T>(tape, x, launch) : launch({}, {});
    };
    place(0);
  };
  return finish<T>(tape, end, y, statistics, inputs_with(x, {k.wd, k.bd, k.wh, k.bh, k.ww, k.bw}), backward);
}

template Activation<float> fused_separable_conv3d(const Activation<float>&, const SeparableWeights<Variable<float>>&,
                                                  const FusedEnd<float>&);
template Activation<double> fused_separable_conv3d(const Activation<double>&, const SeparableWeights<Variable<double>>&,
                                                   const FusedEnd<double>&);

}  // namespace fringe::autograd

#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> separable_conv3d(const Variable<T>& x, const SeparableWeights<Variable<T>>& k) {
  auto& tape = x.tape();
  const Shape middle = x.shape().with_channels(k.bd.shape().c);
  const Tensor<T> u = tape.tensor(middle), v = tape.tensor(middle), y = tape.tensor(x.shape().with_channels(k.bw.shape().c));
  const auto views = [](const SeparableWeights<Variable<T>>& w) {
    return SeparableWeights<ConstView<T>>{w.wd.value().read(), w.bd.value().read(), w.wh.value().read(),
                                          w.bh.value().read(), w.ww.value().read(), w.bw.value().read()};
  };
  tape.launch(&KernelTable<T>::separable_conv3d_forward, "separable_conv3d_forward", x.value().read(), views(k), u.view(),
              v.view(), y.view());
  // saves: x, u, v, weights
  return tape.result(y, {x, k.wd, k.bd, k.wh, k.bh, k.ww, k.bw}, [&tape, x, k, u, v, views](const Tensor<T>& dy) {
    const Tensor<T> dv = tape.tensor(v.shape()), du = tape.tensor(u.shape());
    const Tensor<T> dx = x.needs_grad() ? tape.tensor(x.shape()) : Tensor<T>();
    const Variable<T> inputs[] = {k.wd, k.bd, k.wh, k.bh, k.ww, k.bw};
    View<T> g[6];
    // The six places are handed out one inside the other; the kernel runs in the innermost.
    const std::function<void(std::size_t)> place = [&](std::size_t i) {
      if (i < 6)
        return tape.accumulate(inputs[i], [&](View<T> gradient) {
          g[i] = gradient;
          place(i + 1);
        });
      tape.launch(&KernelTable<T>::separable_conv3d_backward, "separable_conv3d_backward", x.value().read(), u.read(),
                  v.read(), views(k), dy.read(), dv.view(), du.view(), dx.view(),
                  SeparableWeights<View<T>>{g[0], g[1], g[2], g[3], g[4], g[5]});
    };
    place(0);
    if (dx) tape.accumulate(x, dx);
  });
}

template Variable<float> separable_conv3d(const Variable<float>&, const SeparableWeights<Variable<float>>&);
template Variable<double> separable_conv3d(const Variable<double>&, const SeparableWeights<Variable<double>>&);

}  // namespace fringe::autograd

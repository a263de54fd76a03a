#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> scaled_tanh(const Variable<T>& x, T scale) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(x.shape());
  tape.launch(&KernelTable<T>::scaled_tanh_forward, "scaled_tanh_forward", scale, x.value().read(), y.view());
  // saves: y
  return tape.result(y, {x}, [&tape, x, y, scale](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::scaled_tanh_backward, "scaled_tanh_backward", scale, y.read(), dy.read(), dx);
    });
  });
}

template Variable<float> scaled_tanh(const Variable<float>&, float);
template Variable<double> scaled_tanh(const Variable<double>&, double);

}  // namespace fringe::autograd

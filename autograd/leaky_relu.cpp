#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> leaky_relu(const Variable<T>& x, T slope) {
  auto& tape = x.tape();
  const Tensor<T> y = x.value();
  tape.launch(&KernelTable<T>::leaky_relu_forward, "leaky_relu_forward", slope, y.read(), y.view());
  // saves: y
  return tape.result(y, {x}, [&tape, x, y, slope](const Tensor<T>& dy) {
    tape.launch(&KernelTable<T>::leaky_relu_backward, "leaky_relu_backward", slope, y.read(), dy.read(), dy.view());
    tape.accumulate(x, dy);
  });
}

template Variable<float> leaky_relu(const Variable<float>&, float);
template Variable<double> leaky_relu(const Variable<double>&, double);

}  // namespace fringe::autograd

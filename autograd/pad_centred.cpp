#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> pad_centred(const Variable<T>& x, const Shape& frame) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor({x.shape().n, frame.d, frame.h, frame.w, x.shape().c});
  tape.launch(&KernelTable<T>::pad_centred_forward, "pad_centred_forward", x.value().read(), y.view());
  // saves: nothing
  return tape.result(y, {x}, [&tape, x](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::pad_centred_backward, "pad_centred_backward", dy.read(), dx);
    });
  });
}

template Variable<float> pad_centred(const Variable<float>&, const Shape&);
template Variable<double> pad_centred(const Variable<double>&, const Shape&);

}  // namespace fringe::autograd

#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> fft3d(const Variable<T>& x) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(x.shape());
  tape.launch(&KernelTable<T>::fft3d_forward, "fft3d_forward", x.value().read(), y.view());
  // saves: nothing
  return tape.result(y, {x}, [&tape, x](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::fft3d_backward, "fft3d_backward", dy.read(), dx);
    });
  });
}

template Variable<float> fft3d(const Variable<float>&);
template Variable<double> fft3d(const Variable<double>&);

}  // namespace fringe::autograd

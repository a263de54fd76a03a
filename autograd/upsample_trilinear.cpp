#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> upsample_trilinear(const Variable<T>& x) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(upsample_trilinear::output_shape(x.shape()));
  tape.launch(&KernelTable<T>::upsample_trilinear_forward, "upsample_trilinear_forward", x.value().read(), y.view());
  // saves: nothing
  return tape.result(y, {x}, [&tape, x](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::upsample_trilinear_backward, "upsample_trilinear_backward", dy.read(), dx);
    });
  });
}

template Variable<float> upsample_trilinear(const Variable<float>&);
template Variable<double> upsample_trilinear(const Variable<double>&);

}  // namespace fringe::autograd

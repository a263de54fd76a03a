#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> upsample_nearest(const Variable<T>& x) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(upsample_nearest::output_shape(x.shape()));
  tape.launch(&KernelTable<T>::upsample_nearest_forward, "upsample_nearest_forward", x.value().read(), y.view());
  // saves: nothing
  return tape.result(y, {x}, [&tape, x](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::upsample_nearest_backward, "upsample_nearest_backward", dy.read(), dx);
    });
  });
}

template Variable<float> upsample_nearest(const Variable<float>&);
template Variable<double> upsample_nearest(const Variable<double>&);

}  // namespace fringe::autograd

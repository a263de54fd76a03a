#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> max_pool(const Variable<T>& x) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(max_pool::output_shape(x.shape()));
  const Tensor<std::uint8_t> which(tape.context(), y.shape());
  tape.launch(&KernelTable<T>::max_pool_forward, "max_pool_forward", x.value().read(), y.view(), which.view());
  // saves: which
  return tape.result(y, {x}, [&tape, x, which](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::max_pool_backward, "max_pool_backward", which.read(), dy.read(), dx);
    });
  });
}

template Variable<float> max_pool(const Variable<float>&);
template Variable<double> max_pool(const Variable<double>&);

}  // namespace fringe::autograd

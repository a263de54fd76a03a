#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> conv3d(const Variable<T>& x, const Variable<T>& w, const Variable<T>& b) {
  auto& tape = x.tape();
  const bool bias = b != Variable<T>{};
  const Tensor<T> y = tape.tensor(conv3d::output_shape(x.shape(), w.shape()));
  tape.launch(&KernelTable<T>::conv3d_forward, "conv3d_forward", x.value().read(), w.value().read(),
              bias ? b.value().read() : ConstView<T>{}, y.view());
  // saves: x, w
  const auto backward = [&tape, x, w, b, bias](const Tensor<T>& dy) {
    tape.accumulate(w, [&](View<T> dw) {
      const auto launch = [&](View<T> db) {
        tape.launch(&KernelTable<T>::conv3d_backward_weights, "conv3d_backward_weights", x.value().read(), dy.read(), dw,
                    db);
      };
      bias ? tape.accumulate(b, launch) : launch({});
    });
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::conv3d_backward_data, "conv3d_backward_data", dy.read(), w.value().read(), dx);
    });
  };
  return bias ? tape.result(y, {x, w, b}, backward) : tape.result(y, {x, w}, backward);
}

template Variable<float> conv3d(const Variable<float>&, const Variable<float>&, const Variable<float>&);
template Variable<double> conv3d(const Variable<double>&, const Variable<double>&, const Variable<double>&);

}  // namespace fringe::autograd

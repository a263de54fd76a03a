#include "autograd/fused_end.h"

namespace fringe::autograd {

template <class T>
Activation<T> fused_conv3d(const Activation<T>& x, const Variable<T>& w, const Variable<T>& b, const FusedEnd<T>& end) {
  auto& tape = w.tape();
  const Tensor<T> y = tape.tensor(conv3d::output_shape(x.reading().shape(), w.shape()));
  const Tensor<T> statistics = statistics_for(tape, end, y.shape().c);
  tape.launch(&KernelTable<T>::fused_conv3d_forward, "fused_conv3d_forward", end.slope, x.reading(), w.value().read(),
              b.value().read(), y.view(), statistics.view());
  // saves: x with its affine, w
  return finish<T>(tape, end, y, statistics, inputs_with(x, {w, b}), [&tape, x, w, b](const PendingGradient<T>& g) {
    tape.accumulate(w, [&](View<T> dw) {
      tape.accumulate(b, [&](View<T> db) {
        tape.launch(&KernelTable<T>::fused_conv3d_backward_weights, "fused_conv3d_backward_weights", x.reading(), g, dw, db);
      });
    });
    accumulate<T>(tape, x, [&](View<T> dx, View<T> daffine) {
      tape.launch(&KernelTable<T>::fused_conv3d_backward_data, "fused_conv3d_backward_data", g, w.value().read(), x.reading(),
                  dx, daffine);
    });
  });
}

template Activation<float> fused_conv3d(const Activation<float>&, const Variable<float>&, const Variable<float>&,
                                        const FusedEnd<float>&);
template Activation<double> fused_conv3d(const Activation<double>&, const Variable<double>&, const Variable<double>&,
                                         const FusedEnd<double>&);

}  // namespace fringe::autograd

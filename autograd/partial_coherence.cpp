#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> partial_coherence(const Variable<T>& m, const CoherenceKernel<Tensor<T>>& k, T epsilon) {
  auto& tape = m.tape();
  const Tensor<T> y = tape.tensor(m.shape());
  const auto views = [k] { return CoherenceKernel<ConstView<T>>{k.d.read(), k.h.read(), k.w.read()}; };
  tape.launch(&KernelTable<T>::partial_coherence_forward, "partial_coherence_forward", epsilon, views(), m.value().read(), y.view());
  // saves: m, y
  return tape.result(y, {m}, [&tape, m, y, views](const Tensor<T>& dy) {
    tape.accumulate(m, [&](View<T> dm) {
      tape.launch(&KernelTable<T>::partial_coherence_backward, "partial_coherence_backward", views(), m.value().read(), y.read(),
                  dy.read(), dm);
    });
  });
}

template Variable<float> partial_coherence(const Variable<float>&, const CoherenceKernel<Tensor<float>>&, float);
template Variable<double> partial_coherence(const Variable<double>&, const CoherenceKernel<Tensor<double>>&, double);

}  // namespace fringe::autograd

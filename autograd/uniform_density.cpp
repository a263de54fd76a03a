#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> uniform_density(const Variable<T>& amplitude) {
  auto& tape = amplitude.tape();
  const Index samples = amplitude.shape().n;
  const Tensor<T> stats = tape.tensor({samples, 1, 1, 1, 3}), loss = tape.tensor(sample_vector(samples));
  tape.launch(&KernelTable<T>::uniform_density_forward, "uniform_density_forward", amplitude.value().read(),
              stats.view(), loss.view());
  // saves: amplitude, stats
  return tape.result(loss, {amplitude}, [&tape, amplitude, stats](const Tensor<T>& dloss) {
    tape.accumulate(amplitude, [&](View<T> da) {
      tape.launch(&KernelTable<T>::uniform_density_backward, "uniform_density_backward", amplitude.value().read(),
                  stats.read(), dloss.read(), da);
    });
  });
}

template Variable<float> uniform_density(const Variable<float>&);
template Variable<double> uniform_density(const Variable<double>&);

}  // namespace fringe::autograd

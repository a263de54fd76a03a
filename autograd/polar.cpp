#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> polar(const Variable<T>& amplitude, const Variable<T>& phase) {
  auto& tape = amplitude.tape();
  const Tensor<T> z = tape.tensor(amplitude.shape().with_channels(2));
  tape.launch(&KernelTable<T>::polar_forward, "polar_forward", amplitude.value().read(), phase.value().read(), z.view());
  // saves: amplitude, phase
  return tape.result(z, {amplitude, phase}, [&tape, amplitude, phase](const Tensor<T>& dz) {
    const Tensor<T> da = tape.tensor(amplitude.shape()), dphi = tape.tensor(amplitude.shape());
    tape.launch(&KernelTable<T>::polar_backward, "polar_backward", amplitude.value().read(), phase.value().read(),
                dz.read(), da.view(), dphi.view());
    tape.accumulate(amplitude, da);
    tape.accumulate(phase, dphi);
  });
}

template Variable<float> polar(const Variable<float>&, const Variable<float>&);
template Variable<double> polar(const Variable<double>&, const Variable<double>&);

}  // namespace fringe::autograd

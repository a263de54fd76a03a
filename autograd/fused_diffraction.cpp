#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> fused_diffraction(const Variable<T>& amplitude, const Variable<T>& phase, const Shape& frame, T epsilon) {
  auto& tape = amplitude.tape();
  const Shape& s = amplitude.shape();
  const Tensor<T> field = tape.tensor({s.n, frame.d, frame.h, frame.w, 2}), m = tape.tensor(field.shape().with_channels(1));
  tape.launch(&KernelTable<T>::fused_diffraction_forward, "fused_diffraction_forward", epsilon, amplitude.value().read(),
              phase.value().read(), field.view(), m.view());
  // saves: amplitude, phase, field, m
  return tape.result(m, {amplitude, phase}, [&tape, amplitude, phase, field, m](const Tensor<T>& dm) {
    const Tensor<T> da = tape.tensor(amplitude.shape()), dphi = tape.tensor(amplitude.shape());
    tape.launch(&KernelTable<T>::fused_diffraction_backward, "fused_diffraction_backward", amplitude.value().read(),
                phase.value().read(), field.read(), m.read(), dm.read(), da.view(), dphi.view());
    tape.accumulate(amplitude, da);
    tape.accumulate(phase, dphi);
  });
}

template Variable<float> fused_diffraction(const Variable<float>&, const Variable<float>&, const Shape&, float);
template Variable<double> fused_diffraction(const Variable<double>&, const Variable<double>&, const Shape&, double);

}  // namespace fringe::autograd

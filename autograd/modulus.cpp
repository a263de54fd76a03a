#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> modulus(const Variable<T>& z, T epsilon) {
  auto& tape = z.tape();
  const Tensor<T> m = tape.tensor(z.shape().with_channels(1));
  tape.launch(&KernelTable<T>::modulus_forward, "modulus_forward", epsilon, z.value().read(), m.view());
  // saves: z, m
  return tape.result(m, {z}, [&tape, z, m](const Tensor<T>& dm) {
    tape.accumulate(z, [&](View<T> dz) {
      tape.launch(&KernelTable<T>::modulus_backward, "modulus_backward", z.value().read(), m.read(), dm.read(), dz);
    });
  });
}

template <class T>
Variable<T> intensity(const Variable<T>& z) {
  auto& tape = z.tape();
  const Tensor<T> i = tape.tensor(z.shape().with_channels(1));
  tape.launch(&KernelTable<T>::intensity_forward, "intensity_forward", z.value().read(), i.view());
  // saves: z
  return tape.result(i, {z}, [&tape, z](const Tensor<T>& di) {
    tape.accumulate(z, [&](View<T> dz) {
      tape.launch(&KernelTable<T>::intensity_backward, "intensity_backward", z.value().read(), di.read(), dz);
    });
  });
}

template Variable<float> modulus(const Variable<float>&, float);
template Variable<double> modulus(const Variable<double>&, double);
template Variable<float> intensity(const Variable<float>&);
template Variable<double> intensity(const Variable<double>&);

}  // namespace fringe::autograd

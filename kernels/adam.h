// adam: one step of the ADAM optimizer over all parameters at once.
//
//   (1)  m = beta1 * m + (1 - beta1) * g
//   (2)  v = beta2 * v + (1 - beta2) * g^2
//   (3)  x = x - rate * (m / (1 - beta1^t)) / (sqrt(v / (1 - beta2^t)) + epsilon)      t = 1, 2, ...
//
// Shapes   each slot's value, gradient, m and v are alike.
// Source   Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.
#pragma once
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct AdamSlot {
  View<T> value;
  ConstView<T> gradient;
  View<T> m, v;  ///< running means of the gradient and of its square; zero before the first step
};

struct AdamParams {
  double rate = 1e-3;
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
  Index step = 1;  ///< t, counted from 1
};

template <class T>
using AdamStep = void(Stream&, const AdamParams&, std::span<const AdamSlot<T>>);

namespace reference {
template <class T>
AdamStep<T> adam_step;
}
namespace cpu {
AdamStep<float> adam_step;
}
namespace cuda {
AdamStep<float> adam_step;
}

}  // namespace fringe

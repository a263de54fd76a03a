// adam: one step of the ADAM optimizer over all parameters at once.
//
//   (1)  m = beta1 * m + (1 - beta1) * g
//   (2)  v = beta2 * v + (1 - beta2) * g^2
//   (3)  x = x - f0 * m / (sqrt(f1 * v) + epsilon),   f0 = rate / (1 - beta1^t), f1 = 1 / (1 - beta2^t),   t = 1, 2, ...
//
// Shapes   each slot's value, gradient, m and v are alike; factors (1,1,1,1,2): f0, f1.
// The factors lie where the parameters lie, because they alone change from step to step: a captured step is replayed with
// whatever they are then. adam::factors computes them in double.
// Source   Kingma, Ba, "Adam: a method for stochastic optimization", ICLR 2015, arXiv:1412.6980.
#pragma once
#include <array>
#include <cmath>
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
  double beta1 = 0.9, beta2 = 0.999;
  double epsilon = 1e-8;
};

namespace adam {
/// f0 and f1 of step t, counted from 1.
template <class T>
std::array<T, 2> factors(const AdamParams& p, double rate, Index step) {
  const auto t = static_cast<double>(step);
  return {static_cast<T>(rate / (1 - std::pow(p.beta1, t))), static_cast<T>(1 / (1 - std::pow(p.beta2, t)))};
}
inline void require_shapes(const Shape& factors) { require_shape("adam", "factors", factors, channel_vector(2)); }
}  // namespace adam

template <class T>
using AdamStep = void(Stream&, const AdamParams&, ConstView<T> factors, std::span<const AdamSlot<T>>);

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

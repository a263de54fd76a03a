#include "kernels/adam.h"

#include <cmath>

namespace fringe::reference {

template <class T>
void adam_step(Stream&, const AdamParams& p, ConstView<T> factors, std::span<const AdamSlot<T>> slots) {
  adam::require_shapes(factors.shape);
  const T b1 = static_cast<T>(p.beta1), b2 = static_cast<T>(p.beta2);
  const T rest1 = static_cast<T>(1 - p.beta1), rest2 = static_cast<T>(1 - p.beta2);  // rounded once, from double
  for (const auto& s : slots)
    for (Index i = 0; i < s.value.size(); ++i) {
      const T g = s.gradient[i];
      s.m[i] = b1 * s.m[i] + rest1 * g;        // (1)
      s.v[i] = b2 * s.v[i] + rest2 * g * g;    // (2)
      s.value[i] -= factors[0] * s.m[i] / (std::sqrt(s.v[i] * factors[1]) + static_cast<T>(p.epsilon));  // (3)
    }
}

template AdamStep<float> adam_step<float>;
template AdamStep<double> adam_step<double>;

}  // namespace fringe::reference

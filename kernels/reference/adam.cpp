#include "kernels/adam.h"

#include <cmath>

namespace fringe::reference {

template <class T>
void adam_step(Stream&, const AdamParams& p, std::span<const AdamSlot<T>> slots) {
  const double t = static_cast<double>(p.step);
  const T b1 = static_cast<T>(p.beta1), b2 = static_cast<T>(p.beta2);
  const T rest1 = static_cast<T>(1 - p.beta1), rest2 = static_cast<T>(1 - p.beta2);  // rounded once, from double
  const T c1 = static_cast<T>(p.rate / (1 - std::pow(p.beta1, t))), c2 = static_cast<T>(1 / (1 - std::pow(p.beta2, t)));
  for (const auto& s : slots)
    for (Index i = 0; i < s.value.size(); ++i) {
      const T g = s.gradient[i];
      s.m[i] = b1 * s.m[i] + rest1 * g;                                                             // (1)
      s.v[i] = b2 * s.v[i] + rest2 * g * g;                                                         // (2)
      s.value[i] -= c1 * s.m[i] / (std::sqrt(s.v[i] * c2) + static_cast<T>(p.epsilon));  // (3)
    }
}

template AdamStep<float> adam_step<float>;
template AdamStep<double> adam_step<double>;

}  // namespace fringe::reference

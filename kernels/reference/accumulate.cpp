#include "kernels/accumulate.h"

namespace fringe::reference {

template <class T>
void accumulate(Stream&, const AccumulateParams<T>& p, std::span<const AccumulateSlot<T>> slots) {
  for (const auto& s : slots) {
    require_shape("accumulate", "x", s.x.shape, s.y.shape);
    for (Index i = 0; i < s.y.size(); ++i) {
      const T term = s.x[i] / p.divisor;
      s.y[i] = p.overwrite ? term : s.y[i] + term;  // (2), (1)
    }
  }
}

template Accumulate<float> accumulate<float>;
template Accumulate<double> accumulate<double>;

}  // namespace fringe::reference

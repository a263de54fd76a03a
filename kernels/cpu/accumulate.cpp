// Strategy: plain loops, which the compiler makes vectors of: memory alone is slow here. A slot's pieces go to the threads.
#include "kernels/accumulate.h"

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {

void accumulate(Stream& stream, const AccumulateParams<float>& p, std::span<const AccumulateSlot<float>> slots) {
  for (const auto& s : slots) {
    require_shape("accumulate", "x", s.x.shape, s.y.shape);
    parallel_ranges(stream, s.y.size(), 1 << 14, [&](Index begin, Index end) {
      const float divisor = p.divisor, *const x = s.x.data;
      float* const y = s.y.data;
      if (p.overwrite)
        for (Index i = begin; i < end; ++i) y[i] = x[i] / divisor;  // (2)
      else
        for (Index i = begin; i < end; ++i) y[i] += x[i] / divisor;  // (1)
    });
  }
}

}  // namespace fringe::cpu

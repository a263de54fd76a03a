// Sums over long arrays, compiled once per instruction set: include it between Highway's foreach_target.h and the code.
// Terms are added in float over blocks of 2048 on sixteen lanes, the blocks in double; the order depends on the range
// alone.
#if defined(FRINGE_CPU_SUMS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGE_CPU_SUMS_INL_H
#undef FRINGE_CPU_SUMS_INL_H
#else
#define FRINGE_CPU_SUMS_INL_H
#endif

#include <algorithm>

#include "hwy/highway.h"
#include "kernels/view.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

/// out[k] = sum over i in [begin, end) of the k-th number that term(i, v) writes to v[0..K).
template <int K, class Term>
HWY_INLINE void lane_sums(Index begin, Index end, double* out, const Term& term) {
  constexpr int lanes = 16;
  constexpr Index block = 2048;
  std::fill(out, out + K, 0.0);
  for (Index first = begin; first < end; first += block) {
    const Index last = std::min(end, first + block);
    alignas(64) float sum[K][lanes] = {};
    Index i = first;
    for (; i + lanes <= last; i += lanes)
      for (int lane = 0; lane < lanes; ++lane) {
        float v[K];
        term(i + lane, v);
        for (int k = 0; k < K; ++k) sum[k][lane] += v[k];
      }
    for (int lane = 0; i < last; ++i, ++lane) {
      float v[K];
      term(i, v);
      for (int k = 0; k < K; ++k) sum[k][lane] += v[k];
    }
    for (int k = 0; k < K; ++k) {
      double total = 0;
      for (int lane = 0; lane < lanes; ++lane) total += static_cast<double>(sum[k][lane]);
      out[k] += total;
    }
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// Strategy: one pass over a block that was just computed; sums in float over a block, in double and by the formula of Chan,
// Golub and LeVeque (1979) over blocks, so that a large mean costs the variance nothing.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/convolution_epilogue.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/convolution_epilogue.h"

#include <algorithm>

#include "hwy/highway.h"
#include "kernels/cpu/channel_period.h"
#include "kernels/error.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void leaky_relu_rows(float slope, float* y, Index count) {
#pragma GCC ivdep
  for (Index i = 0; i < count; ++i) y[i] = y[i] > 0 ? y[i] : slope * y[i];
}

/// Mean and sum of squares about it, of `n0` values in sums and `n1` more.
inline void merge(double* sums, Index channels, double n0, double mean, double squares, double n1) {
  const double step = mean - sums[0], all = n0 + n1;
  sums[0] += step * n1 / all;
  sums[channels] += squares + step * step * n0 * n1 / all;
}

void sum_rows(const EpilogueSums::State& s, Index piece, const float* y, Index at, Index count) {
  const Epilogue& e = s.epilogue;
  const Index channels = s.channels, period = s.period;
  double* sums = s.sums + piece * 2 * channels;
  alignas(64) float a[max_period], b[max_period], shift[max_period];
  std::fill(a, a + period, 0.0F);
  std::fill(b, b + period, 0.0F);
  if (e.statistics) {
    for (Index k = 0; k < period; ++k) shift[k] = y[k % channels];
    for (Index i = 0; i < count; i += period) {
      const Index length = std::min(period, count - i);
#pragma GCC ivdep
      for (Index k = 0; k < length; ++k) {
        const float v = y[i + k] - shift[k];
        a[k] += v;
        b[k] += v * v;
      }
    }
  } else {
    const float* HWY_RESTRICT m = e.moment + at;
    const float* HWY_RESTRICT centre = s.centre;
    for (Index i = 0; i < count; i += period) {
      const Index length = std::min(period, count - i);
#pragma GCC ivdep
      for (Index k = 0; k < length; ++k) {
        a[k] += y[i + k];
        b[k] += y[i + k] * (m[i + k] - centre[k]);
      }
    }
  }
  if (s.counts[piece] == 0) std::fill(sums, sums + 2 * channels, 0.0);
  const double before = s.counts[piece], n = static_cast<double>(count / channels);
  for (Index c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (Index k = c; k < period; k += channels) sum += static_cast<double>(a[k]), square += static_cast<double>(b[k]);
    if (e.statistics)
      merge(sums + c, channels, before, sum / n + static_cast<double>(shift[c]), std::max(0.0, square - sum * sum / n), n);
    else
      sums[c] += sum, sums[channels + c] += square;
  }
  s.counts[piece] = before + n;
}

void fold_sums(const EpilogueSums::State& s) {
  const Epilogue& e = s.epilogue;
  const Index channels = s.channels;
  for (Index c = 0; c < channels; ++c) {
    double t[2] = {}, n = 0;
    for (Index p = 0; p < s.pieces; ++p) {
      const double *sums = s.sums + p * 2 * channels + c, m = s.counts[p];
      if (m == 0) continue;
      if (e.statistics) {
        const double step = sums[0] - t[0], all = n + m;
        t[0] += step * m / all;
        t[1] += sums[channels] + step * step * n * m / all;
        n = all;
      } else {
        t[0] += sums[0], t[1] += sums[channels];
      }
    }
    if (e.statistics) {
      e.statistics[c] = static_cast<float>(t[0]);
      e.statistics[channels + c] = static_cast<float>(t[1] / n);
    } else {
      e.daffine[c] = static_cast<float>(t[1]);
      e.daffine[channels + c] = static_cast<float>(-static_cast<double>(e.affine[c]) * t[0]);
      e.daffine[2 * channels + c] = static_cast<float>(t[0]);
    }
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(leaky_relu_rows);
HWY_EXPORT(sum_rows);
HWY_EXPORT(fold_sums);
}  // namespace

Index EpilogueSums::floats(const Epilogue& e, Index channels, Index pieces) {
  return e.statistics || e.daffine ? 2 * pieces * 2 * channels + 2 * pieces + 6 * channel_period(channels) : 0;
}

EpilogueSums::EpilogueSums(const Epilogue& e, Index channels, Index pieces, float* memory)
    : state_{e, channels, pieces, channel_period(channels), reinterpret_cast<double*>(memory), nullptr, nullptr} {
  if (!state_.active()) return;
  require(state_.period <= max_period, "conv3d: fused on the CPU takes at most {} channels, there are {}", max_period,
          channels);
  state_.counts = state_.sums + pieces * 2 * channels;
  state_.centre = reinterpret_cast<float*>(state_.counts + pieces);
  std::fill(state_.counts, state_.counts + pieces, 0.0);
  for (Index k = 0; e.daffine && k < state_.period; ++k) state_.centre[k] = e.affine[channels + k % channels];
}

void EpilogueSums::rows(Index piece, float* y, Index at, Index count) {
  if (state_.epilogue.slope != 1) HWY_DYNAMIC_DISPATCH(leaky_relu_rows)(state_.epilogue.slope, y, count);
  if (state_.active()) HWY_DYNAMIC_DISPATCH(sum_rows)(state_, piece, y, at, count);
}

void EpilogueSums::finish() {
  if (state_.active()) HWY_DYNAMIC_DISPATCH(fold_sums)(state_);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

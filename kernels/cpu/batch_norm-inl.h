// Batch normalisation's loops, with and without LeakyReLU in front: compiled once per instruction set by the operations that
// include it between Highway's foreach_target.h and their code.
//
// Rows of C channels are one flat run; vectors over channels are repeated to a period of at least 64 floats (a multiple of
// C), so that every inner loop has a long fixed trip count whatever C is, and the compiler vectorises it. Sums run in float
// over blocks of rows, then in double, in an order fixed by the shape.
#if defined(FRINGE_CPU_BATCH_NORM_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGE_CPU_BATCH_NORM_INL_H
#undef FRINGE_CPU_BATCH_NORM_INL_H
#else
#define FRINGE_CPU_BATCH_NORM_INL_H
#endif

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/batch_norm.h"
#include "kernels/cpu/parallel.h"

#ifndef FRINGE_CPU_BATCH_NORM_ONCE
#define FRINGE_CPU_BATCH_NORM_ONCE
namespace fringe::cpu::batch_norm_parts {

constexpr Index max_period = 4096;  ///< largest number of channels

/// The shortest multiple of C that is at least 64.
inline Index channel_period(Index channels) { return channels * ((63 + channels) / channels); }

/// Runs piece(begin, end, sums) over fixed pieces of the rows and folds their sums: totals[0..C) and totals[C..2C).
template <class Piece>
void sum_rows(Stream& stream, const Shape& x, double* workspace, double* totals, const Piece& piece) {
  const Index period = channel_period(x.c), rows = x.rows();
  const Index pieces = std::clamp<Index>(x.size() / (1 << 15), 1, 64);
  parallel_tasks(stream, pieces, [&](Index p) {
    double* sums = workspace + p * 2 * period;
    std::fill(sums, sums + 2 * period, 0.0);
    piece(rows * p / pieces * x.c, rows * (p + 1) / pieces * x.c, sums);
  });
  std::fill(totals, totals + 2 * x.c, 0.0);
  for (Index p = 0; p < pieces; ++p)
    for (Index half = 0; half < 2; ++half)
      for (Index k = 0; k < period; ++k) totals[half * x.c + k % x.c] += workspace[(p * 2 + half) * period + k];
}

/// Repeats a vector over channels to the period.
inline void repeat(Index channels, Index period, float* v) {
  for (Index k = channels; k < period; ++k) v[k] = v[k - channels];
}

inline void require_channels(const Shape& x) {
  require(x.c <= max_period, "batch_norm: the CPU backend takes at most {} channels, x has {}", max_period, x.c);
}

constexpr Index workspace_doubles(Index period, Index channels) { return 64 * 2 * period + 2 * channels; }

}  // namespace fringe::cpu::batch_norm_parts
#endif

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
using batch_norm_parts::max_period;

constexpr Index block_periods = 64;  // periods summed in float before they go to double

/// sums[0..period) += sum of (x - shift), sums[period..2*period) += sum of (x - shift)^2 over `count` floats of x,
/// a multiple of the channel count; lanes are positions modulo the period. With `Leaky`, x becomes leaky_relu(x) first.
template <bool Leaky>
void moments(float slope, std::conditional_t<Leaky, float, const float>* HWY_RESTRICT x, Index count, const float* HWY_RESTRICT shift, Index period,
             double* HWY_RESTRICT sums) {
  alignas(64) float a[max_period], b[max_period];
  for (Index begin = 0; begin < count; begin += block_periods * period) {
    const Index end = std::min(count, begin + block_periods * period);
    std::fill(a, a + period, 0.0F);
    std::fill(b, b + period, 0.0F);
    for (Index i = begin; i < end; i += period) {
      const Index length = std::min(period, end - i);
      for (Index k = 0; k < length; ++k) {
        if constexpr (Leaky) x[i + k] = x[i + k] > 0 ? x[i + k] : slope * x[i + k];
        const float v = x[i + k] - shift[k];
        a[k] += v;
        b[k] += v * v;
      }
    }
    for (Index k = 0; k < period; ++k) {
      sums[k] += static_cast<double>(a[k]);
      sums[period + k] += static_cast<double>(b[k]);
    }
  }
}

/// The two sums of (4) over `count` floats.
inline void gradient_moments(const float* HWY_RESTRICT x, const float* HWY_RESTRICT dy, Index count,
                      const float* HWY_RESTRICT mean, const float* HWY_RESTRICT rstd, Index period,
                      double* HWY_RESTRICT sums) {
  alignas(64) float a[max_period], b[max_period];
  for (Index begin = 0; begin < count; begin += block_periods * period) {
    const Index end = std::min(count, begin + block_periods * period);
    std::fill(a, a + period, 0.0F);
    std::fill(b, b + period, 0.0F);
    for (Index i = begin; i < end; i += period) {
      const Index length = std::min(period, end - i);
      for (Index k = 0; k < length; ++k) {
        a[k] += dy[i + k];
        b[k] += dy[i + k] * ((x[i + k] - mean[k]) * rstd[k]);
      }
    }
    for (Index k = 0; k < period; ++k) {
      sums[k] += static_cast<double>(a[k]);
      sums[period + k] += static_cast<double>(b[k]);
    }
  }
}

/// y = scale * x + offset, or scale * leaky_relu(x) + offset. y may be x.
template <bool Leaky>
void affine(float slope, const float* x, Index count, const float* HWY_RESTRICT scale, const float* HWY_RESTRICT offset,
            Index period, float* HWY_RESTRICT y) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
#pragma GCC ivdep
    for (Index k = 0; k < length; ++k) {
      const float v = Leaky && !(x[i + k] > 0) ? slope * x[i + k] : x[i + k];
      y[i + k] = scale[k] * v + offset[k];
    }
  }
}

/// dx = scale * dy + tilt * x + offset: (5) with its constants gathered; with `Leaky`, times slope where x <= 0.
template <bool Leaky>
void gradient_affine(float slope, const float* HWY_RESTRICT x, const float* dy, Index count,
                     const float* HWY_RESTRICT scale, const float* HWY_RESTRICT tilt, const float* HWY_RESTRICT offset,
                     Index period, float* dx) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
#pragma GCC ivdep
    for (Index k = 0; k < length; ++k) {
      const float g = scale[k] * dy[i + k] + (tilt[k] * x[i + k] + offset[k]);
      dx[i + k] = Leaky && !(x[i + k] > 0) ? slope * g : g;
    }
  }
}


/// Forward, (1) to (3). X is `float` when LeakyReLU is applied to x in place, else `const float`.
template <bool Leaky>
void normalise(Stream& stream, const BatchNormParams<float>& p, float slope,
               View<std::conditional_t<Leaky, float, const float>> x, ConstView<float> gamma, ConstView<float> beta,
               View<float> running_mean, View<float> running_var, View<float> mean, View<float> rstd, View<float> y) {
  using namespace batch_norm_parts;
  batch_norm::require_shapes(x.shape, y.shape,
                             {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  require_channels(x.shape);
  const Index channels = x.shape.c, period = channel_period(channels);
  double* workspace = stream.scratch<double>(workspace_doubles(period, channels) + 2 * period);
  double* totals = workspace + 64 * 2 * period;
  auto* vectors = reinterpret_cast<float*>(totals + 2 * channels);
  float *shift = vectors, *scale = vectors + period, *offset = vectors + 2 * period;
  for (Index c = 0; c < channels; ++c) shift[c] = Leaky && !(x[c] > 0) ? slope * x[c] : x[c];
  repeat(channels, period, shift);
  sum_rows(stream, x.shape, workspace, totals, [&](Index begin, Index end, double* sums) {
    moments<Leaky>(slope, x.data + begin, end - begin, shift, period, sums);
  });
  const auto count = static_cast<double>(x.shape.rows());
  for (Index c = 0; c < channels; ++c) {
    const double m = totals[c] / count, var = std::max(0.0, totals[channels + c] / count - m * m);  // (1)
    const double exact_mean = m + static_cast<double>(shift[c]);
    const double r = 1 / std::sqrt(var + static_cast<double>(p.epsilon));
    mean[c] = static_cast<float>(exact_mean);
    rstd[c] = static_cast<float>(r);
    scale[c] = static_cast<float>(static_cast<double>(gamma[c]) * r);
    offset[c] = static_cast<float>(static_cast<double>(beta[c]) - static_cast<double>(gamma[c]) * r * exact_mean);
    running_mean[c] += p.momentum * (mean[c] - running_mean[c]);  // (3)
    running_var[c] += p.momentum * (static_cast<float>(var * count / (count - 1)) - running_var[c]);
  }
  repeat(channels, period, scale);
  repeat(channels, period, offset);
  parallel_ranges(stream, x.shape.rows(), 64, [&](Index begin, Index end) {
    affine<false>(0, x.data + begin * channels, (end - begin) * channels, scale, offset, period, y.data + begin * channels);
  });
}

template <bool Leaky>
void normalise_eval(Stream& stream, const BatchNormParams<float>& p, float slope, ConstView<float> x, ConstView<float> gamma,
                    ConstView<float> beta, ConstView<float> running_mean, ConstView<float> running_var, View<float> y) {
  using namespace batch_norm_parts;
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  require_channels(x.shape);
  const Index channels = x.shape.c, period = channel_period(channels);
  auto* scale = stream.scratch<float>(2 * period);
  float* offset = scale + period;
  for (Index c = 0; c < channels; ++c) {
    scale[c] = gamma[c] / std::sqrt(running_var[c] + p.epsilon);
    offset[c] = beta[c] - scale[c] * running_mean[c];
  }
  repeat(channels, period, scale);
  repeat(channels, period, offset);
  parallel_ranges(stream, x.shape.rows(), 64, [&](Index begin, Index end) {
    affine<Leaky>(slope, x.data + begin * channels, (end - begin) * channels, scale, offset, period,
                  y.data + begin * channels);
  });
}

template <bool Leaky>
void normalise_backward(Stream& stream, float leak, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean,
                        ConstView<float> rstd, ConstView<float> dy, View<float> dx, View<float> dgamma, View<float> dbeta) {
  using namespace batch_norm_parts;
  batch_norm::require_shapes(x.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, x.shape);
  require_channels(x.shape);
  const Index channels = x.shape.c, period = channel_period(channels);
  double* workspace = stream.scratch<double>(workspace_doubles(period, channels) + 3 * period);
  double* totals = workspace + 64 * 2 * period;
  auto* vectors = reinterpret_cast<float*>(totals + 2 * channels);
  float *m = vectors, *r = m + period, *scale = r + period, *tilt = scale + period, *offset = tilt + period;
  std::copy(mean.data, mean.data + channels, m);
  std::copy(rstd.data, rstd.data + channels, r);
  repeat(channels, period, m);
  repeat(channels, period, r);
  sum_rows(stream, x.shape, workspace, totals, [&](Index begin, Index end, double* sums) {
    gradient_moments(x.data + begin, dy.data + begin, end - begin, m, r, period, sums);
  });
  const auto count = static_cast<double>(x.shape.rows());
  for (Index c = 0; c < channels; ++c) {
    dbeta[c] = static_cast<float>(totals[c]);  // (4)
    dgamma[c] = static_cast<float>(totals[channels + c]);
    const double g = static_cast<double>(gamma[c]) * static_cast<double>(rstd[c]);  // (5)
    const double s = -g * static_cast<double>(rstd[c]) * totals[channels + c] / count;
    scale[c] = static_cast<float>(g);
    tilt[c] = static_cast<float>(s);
    offset[c] = static_cast<float>(-g * totals[c] / count - s * static_cast<double>(mean[c]));
  }
  for (float* v : {scale, tilt, offset}) repeat(channels, period, v);
  parallel_ranges(stream, x.shape.rows(), 64, [&](Index begin, Index end) {
    gradient_affine<Leaky>(leak, x.data + begin * channels, dy.data + begin * channels, (end - begin) * channels, scale, tilt,
                           offset, period, dx.data + begin * channels);
  });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

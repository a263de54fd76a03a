// Strategy: rows of C channels are one flat run; vectors over channels are repeated to a period of at least 64 floats
// (a multiple of C), so that every inner loop has a long fixed trip count whatever C is, and the compiler vectorises it
// for each instruction set. Sums run in float over blocks of rows, then in double, in an order fixed by the shape.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batch_norm.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <algorithm>
#include <cmath>

#include "hwy/highway.h"
#include "kernels/batch_norm.h"
#include "kernels/cpu/channel_period.h"
#include "kernels/cpu/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

constexpr Index block_periods = 64;  // periods summed in float before they go to double

/// sums[0..period) += sum of (x - shift), sums[period..2*period) += sum of (x - shift)^2 over `count` floats of x,
/// a multiple of the channel count; lanes are positions modulo the period.
void moments(const float* HWY_RESTRICT x, Index count, const float* HWY_RESTRICT shift, Index period,
             double* HWY_RESTRICT sums) {
  alignas(64) float a[max_period], b[max_period];
  for (Index begin = 0; begin < count; begin += block_periods * period) {
    const Index end = std::min(count, begin + block_periods * period);
    std::fill(a, a + period, 0.0F);
    std::fill(b, b + period, 0.0F);
    for (Index i = begin; i < end; i += period) {
      const Index length = std::min(period, end - i);
      for (Index k = 0; k < length; ++k) {
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
void gradient_moments(const float* HWY_RESTRICT x, const float* HWY_RESTRICT dy, Index count,
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

/// y = scale * x + offset.
void affine(const float* HWY_RESTRICT x, Index count, const float* HWY_RESTRICT scale, const float* HWY_RESTRICT offset,
            Index period, float* HWY_RESTRICT y) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
    for (Index k = 0; k < length; ++k) y[i + k] = scale[k] * x[i + k] + offset[k];
  }
}

/// dx = scale * dy + slope * x + offset: (5) with its constants gathered.
void gradient_affine(const float* HWY_RESTRICT x, const float* HWY_RESTRICT dy, Index count,
                     const float* HWY_RESTRICT scale, const float* HWY_RESTRICT slope, const float* HWY_RESTRICT offset,
                     Index period, float* HWY_RESTRICT dx) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
    for (Index k = 0; k < length; ++k) dx[i + k] = scale[k] * dy[i + k] + (slope[k] * x[i + k] + offset[k]);
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {

HWY_EXPORT(moments);
HWY_EXPORT(gradient_moments);
HWY_EXPORT(affine);
HWY_EXPORT(gradient_affine);

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
void repeat(Index channels, Index period, float* v) {
  for (Index k = channels; k < period; ++k) v[k] = v[k - channels];
}

void require_channels(const Shape& x) {
  require(x.c <= max_period, "batch_norm: the CPU backend takes at most {} channels, x has {}", max_period, x.c);
}

constexpr Index workspace_doubles(Index period, Index channels) { return 64 * 2 * period + 2 * channels; }

}  // namespace

void batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                        ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                        View<float> rstd, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  require_channels(x.shape);
  const Index channels = x.shape.c, period = channel_period(channels);
  double* workspace = stream.scratch<double>(workspace_doubles(period, channels) + 2 * period);
  double* totals = workspace + 64 * 2 * period;
  auto* vectors = reinterpret_cast<float*>(totals + 2 * channels);
  float *shift = vectors, *scale = vectors + period, *offset = vectors + 2 * period;
  std::copy(x.data, x.data + channels, shift);
  repeat(channels, period, shift);
  sum_rows(stream, x.shape, workspace, totals, [&](Index begin, Index end, double* sums) {
    HWY_DYNAMIC_DISPATCH(moments)(x.data + begin, end - begin, shift, period, sums);
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
    HWY_DYNAMIC_DISPATCH(affine)(x.data + begin * channels, (end - begin) * channels, scale, offset, period, y.data + begin * channels);
  });
}

void batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x,
                             ConstView<float> gamma, ConstView<float> beta, ConstView<float> running_mean,
                             ConstView<float> running_var, View<float> y) {
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
    HWY_DYNAMIC_DISPATCH(affine)(x.data + begin * channels, (end - begin) * channels, scale, offset, period, y.data + begin * channels);
  });
}

void batch_norm_backward(Stream& stream, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean,
                         ConstView<float> rstd, ConstView<float> dy, View<float> dx, View<float> dgamma,
                         View<float> dbeta) {
  batch_norm::require_shapes(x.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, x.shape);
  require_channels(x.shape);
  const Index channels = x.shape.c, period = channel_period(channels);
  double* workspace = stream.scratch<double>(workspace_doubles(period, channels) + 3 * period);
  double* totals = workspace + 64 * 2 * period;
  auto* vectors = reinterpret_cast<float*>(totals + 2 * channels);
  float *m = vectors, *r = m + period, *scale = r + period, *slope = scale + period, *offset = slope + period;
  std::copy(mean.data, mean.data + channels, m);
  std::copy(rstd.data, rstd.data + channels, r);
  repeat(channels, period, m);
  repeat(channels, period, r);
  sum_rows(stream, x.shape, workspace, totals, [&](Index begin, Index end, double* sums) {
    HWY_DYNAMIC_DISPATCH(gradient_moments)(x.data + begin, dy.data + begin, end - begin, m, r, period, sums);
  });
  const auto count = static_cast<double>(x.shape.rows());
  for (Index c = 0; c < channels; ++c) {
    dbeta[c] = static_cast<float>(totals[c]);  // (4)
    dgamma[c] = static_cast<float>(totals[channels + c]);
    const double g = static_cast<double>(gamma[c]) * static_cast<double>(rstd[c]);  // (5)
    const double s = -g * static_cast<double>(rstd[c]) * totals[channels + c] / count;
    scale[c] = static_cast<float>(g);
    slope[c] = static_cast<float>(s);
    offset[c] = static_cast<float>(-g * totals[c] / count - s * static_cast<double>(mean[c]));
  }
  for (float* v : {scale, slope, offset}) repeat(channels, period, v);
  parallel_ranges(stream, x.shape.rows(), 64, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(gradient_affine)
    (x.data + begin * channels, dy.data + begin * channels, (end - begin) * channels, scale, slope, offset, period,
     dx.data + begin * channels);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

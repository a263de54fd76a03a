// Strategy: three passes of sums forward (means, norms, distance of the unit vectors), one pass backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pearson_loss.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <cmath>

#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/pearson_loss.h"
#include "kernels/relative_l2.h"

#ifndef FRINGE_CPU_PEARSON_LOSS_ONCE
#define FRINGE_CPU_PEARSON_LOSS_ONCE
namespace fringe::cpu {
/// One sample, seen by the kernels: w may be null.
struct PearsonSample {
  const float *p, *t, *w;
  float mean_p, mean_t, inverse_p, inverse_t;
};
}  // namespace fringe::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void pearson_means(const PearsonSample& s, Index begin, Index end, double* out) {
  const float *HWY_RESTRICT p = s.p, *HWY_RESTRICT t = s.t, *HWY_RESTRICT w = s.w;
  if (w)
    lane_sums<3>(begin, end, out, [&](Index i, float* v) { v[0] = w[i], v[1] = w[i] * p[i], v[2] = w[i] * t[i]; });
  else
    lane_sums<3>(begin, end, out, [&](Index i, float* v) { v[0] = 1, v[1] = p[i], v[2] = t[i]; });
}

void pearson_norms(const PearsonSample& s, Index begin, Index end, double* out) {
  const float *HWY_RESTRICT p = s.p, *HWY_RESTRICT t = s.t, *HWY_RESTRICT w = s.w;
  const float mp = s.mean_p, mt = s.mean_t;
  if (w)
    lane_sums<2>(begin, end, out, [&](Index i, float* v) {
      v[0] = w[i] * (p[i] - mp) * (p[i] - mp);
      v[1] = w[i] * (t[i] - mt) * (t[i] - mt);
    });
  else
    lane_sums<2>(begin, end, out, [&](Index i, float* v) {
      v[0] = (p[i] - mp) * (p[i] - mp);
      v[1] = (t[i] - mt) * (t[i] - mt);
    });
}

void pearson_distance(const PearsonSample& s, Index begin, Index end, double* out) {
  const float *HWY_RESTRICT p = s.p, *HWY_RESTRICT t = s.t, *HWY_RESTRICT w = s.w;
  const float mp = s.mean_p, mt = s.mean_t, ip = s.inverse_p, it = s.inverse_t;
  if (w)
    lane_sums<1>(begin, end, out, [&](Index i, float* v) {
      const float delta = (p[i] - mp) * ip - (t[i] - mt) * it;
      v[0] = w[i] * delta * delta;
    });
  else
    lane_sums<1>(begin, end, out, [&](Index i, float* v) {
      const float delta = (p[i] - mp) * ip - (t[i] - mt) * it;
      v[0] = delta * delta;
    });
}

void pearson_gradient(const PearsonSample& s, float r, float factor, float* HWY_RESTRICT dp, Index begin, Index end) {
  const float *HWY_RESTRICT p = s.p, *HWY_RESTRICT t = s.t, *HWY_RESTRICT w = s.w;
  const float mp = s.mean_p, mt = s.mean_t, ip = r * s.inverse_p, it = s.inverse_t;
  if (w)
    for (Index i = begin; i < end; ++i) dp[i] = factor * w[i] * ((p[i] - mp) * ip - (t[i] - mt) * it);
  else
    for (Index i = begin; i < end; ++i) dp[i] = factor * ((p[i] - mp) * ip - (t[i] - mt) * it);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(pearson_means);
HWY_EXPORT(pearson_norms);
HWY_EXPORT(pearson_distance);
HWY_EXPORT(pearson_gradient);

PearsonSample sample(ConstView<float> p, ConstView<float> t, ConstView<float> w, Index n) {
  const Index offset = n * p.shape.per_sample();
  return {p.data + offset, t.data + offset, w ? w.data + (w.shape.n == 1 ? 0 : offset) : nullptr, 0, 0, 0, 0};
}
}  // namespace

void pearson_loss_forward(Stream& stream, const PearsonLossParams& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    PearsonSample s = sample(p, t, w, n);
    if (params.centred) {  // (1)
      double sums[3];
      parallel_sums<3>(stream, count, sums, [&](Index begin, Index end, double* out) {
        HWY_DYNAMIC_DISPATCH(pearson_means)(s, begin, end, out);
      });
      s.mean_p = static_cast<float>(sums[1] / sums[0]);
      s.mean_t = static_cast<float>(sums[2] / sums[0]);
    }
    double norms[2], distance;
    parallel_sums<2>(stream, count, norms, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(pearson_norms)(s, begin, end, out);
    });
    require(norms[1] > 0, "pearson_loss: target of sample {} is constant", n);
    s.inverse_p = norms[0] > 0 ? static_cast<float>(1 / std::sqrt(norms[0])) : 0.0F;
    s.inverse_t = static_cast<float>(1 / std::sqrt(norms[1]));
    parallel_sums<1>(stream, count, &distance, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(pearson_distance)(s, begin, end, out);
    });
    const float values[] = {s.mean_p, s.mean_t, s.inverse_p, s.inverse_t};
    std::copy(values, values + 4, stats.data + 4 * n);
    loss[n] = norms[0] > 0 ? static_cast<float>(distance / 2) : 1.0F;  // (3)
  }
}

void pearson_loss_backward(Stream& stream, const PearsonLossParams&, ConstView<float> p, ConstView<float> t,
                           ConstView<float> w, ConstView<float> stats, ConstView<float> loss, ConstView<float> dloss,
                           View<float> dp) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  require_shape("pearson_loss", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    PearsonSample s = sample(p, t, w, n);
    s.mean_p = stats[4 * n], s.mean_t = stats[4 * n + 1], s.inverse_p = stats[4 * n + 2], s.inverse_t = stats[4 * n + 3];
    parallel_ranges(stream, count, 1 << 12, [&](Index begin, Index end) {
      HWY_DYNAMIC_DISPATCH(pearson_gradient)
      (s, 1 - loss[n], dloss[n] * s.inverse_p, dp.data + n * count, begin, end);  // (4)
    });
  }
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

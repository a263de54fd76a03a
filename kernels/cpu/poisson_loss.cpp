// Strategy: two passes of sums forward (the scale, then the likelihood with Highway's logarithm), one pass backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/poisson_loss.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <algorithm>

#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/poisson_loss.h"
#include "kernels/relative_l2.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// sum w p^2, sum w t^2, sum w.
void poisson_moments(const float* HWY_RESTRICT p, const float* HWY_RESTRICT t, const float* HWY_RESTRICT w, Index begin,
                     Index end, double* out) {
  if (w)
    lane_sums<3>(begin, end, out, [&](Index i, float* v) { v[0] = w[i] * p[i] * p[i], v[1] = w[i] * t[i] * t[i], v[2] = w[i]; });
  else
    lane_sums<3>(begin, end, out, [&](Index i, float* v) { v[0] = p[i] * p[i], v[1] = t[i] * t[i], v[2] = 1; });
}

/// The sum of (2), a block of terms at a time.
void poisson_terms(float s, float floor, const float* p, const float* t, const float* w, Index begin, Index end,
                   double* out) {
  constexpr Index block = 512;
  alignas(64) float term[block];
  *out = 0;
  for (Index first = begin; first < end; first += block) {
    const Index n = std::min(block, end - first);
    const auto run = [&](auto d, Index i) {
      const auto a = hn::LoadU(d, p + first + i), b = hn::LoadU(d, t + first + i);
      const auto lambda = hn::MulAdd(hn::Mul(hn::Set(d, s), a), a, hn::Set(d, floor)), counts = hn::Mul(b, b);
      const auto ratio = hn::IfThenElse(hn::Gt(counts, hn::Zero(d)), hn::Div(counts, lambda), hn::Set(d, 1.0F));
      auto v = hn::Add(hn::Sub(lambda, counts), hn::Mul(counts, hn::Log(d, ratio)));
      if (w) v = hn::Mul(v, hn::LoadU(d, w + first + i));
      hn::StoreU(v, d, term + i);
    };
    const hn::ScalableTag<float> wide;
    const auto lanes = static_cast<Index>(hn::Lanes(wide));
    Index i = 0;
    for (; i + lanes <= n; i += lanes) run(wide, i);
    for (; i < n; ++i) run(hn::CappedTag<float, 1>(), i);
    double sum;
    lane_sums<1>(0, n, &sum, [&](Index k, float* v) { v[0] = term[k]; });
    *out += sum;
  }
}

void poisson_gradient(float s, float floor, float factor, const float* HWY_RESTRICT p, const float* HWY_RESTRICT t,
                      const float* HWY_RESTRICT w, float* HWY_RESTRICT dp, Index begin, Index end) {
  for (Index i = begin; i < end; ++i) {
    const float lambda = s * p[i] * p[i] + floor;
    dp[i] = factor * p[i] * (1 - t[i] * t[i] / lambda);
  }
  if (w)
    for (Index i = begin; i < end; ++i) dp[i] *= w[i];
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(poisson_moments);
HWY_EXPORT(poisson_terms);
HWY_EXPORT(poisson_gradient);

const float* sample_weights(ConstView<float> w, Index n) {
  return w ? w.data + (w.shape.n == 1 ? 0 : n * w.shape.per_sample()) : nullptr;
}
}  // namespace

void poisson_loss_forward(Stream& stream, const PoissonLossParams& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, loss.shape);
  const Index count = p.shape.per_sample();
  const auto floor = static_cast<float>(params.floor);
  for (Index n = 0; n < p.shape.n; ++n) {
    const float *pn = p.data + n * count, *tn = t.data + n * count, *wn = sample_weights(w, n);
    double sums[3], total;
    parallel_sums<3>(stream, count, sums, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(poisson_moments)(pn, tn, wn, begin, end, out);
    });
    require(sums[2] > 0, "poisson_loss: all weights of sample {} are zero", n);
    const auto s = static_cast<float>(params.fit_scale ? (sums[0] > 0 ? sums[1] / sums[0] : 0) : 1);  // (1)
    parallel_sums<1>(stream, count, &total, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(poisson_terms)(s, floor, pn, tn, wn, begin, end, out);
    });
    stats[2 * n] = s;
    stats[2 * n + 1] = static_cast<float>(sums[2]);
    loss[n] = static_cast<float>(total / sums[2]);  // (2)
  }
}

void poisson_loss_backward(Stream& stream, const PoissonLossParams& params, ConstView<float> p, ConstView<float> t,
                           ConstView<float> w, ConstView<float> stats, ConstView<float> dloss, View<float> dp) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, dloss.shape);
  require_shape("poisson_loss", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const float s = stats[2 * n], factor = 2 * dloss[n] * s / stats[2 * n + 1];
    parallel_ranges(stream, count, 1 << 12, [&](Index begin, Index end) {
      HWY_DYNAMIC_DISPATCH(poisson_gradient)
      (s, static_cast<float>(params.floor), factor, p.data + n * count, t.data + n * count, sample_weights(w, n),
       dp.data + n * count, begin, end);  // (3)
    });
  }
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

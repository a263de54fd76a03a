// Strategy: two passes of sums forward (the scale, then the difference), one pass backward; everything streams.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/relative_l2.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <cmath>

#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/relative_l2.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

template <bool weighted>
void products(const float* HWY_RESTRICT p, const float* HWY_RESTRICT t, const float* HWY_RESTRICT w, Index begin,
              Index end, double* out) {
  lane_sums<3>(begin, end, out, [&](Index i, float* v) {
    const float a = weighted ? w[i] : 1.0F;
    v[0] = a * p[i] * p[i];
    v[1] = a * p[i] * t[i];
    v[2] = a * t[i] * t[i];
  });
}
void second_moments(const float* p, const float* t, const float* w, Index begin, Index end, double* out) {
  w ? products<true>(p, t, w, begin, end, out) : products<false>(p, t, w, begin, end, out);
}

template <bool weighted>
void difference(float s, const float* HWY_RESTRICT p, const float* HWY_RESTRICT t, const float* HWY_RESTRICT w,
                Index begin, Index end, double* out) {
  lane_sums<1>(begin, end, out, [&](Index i, float* v) {
    const float delta = s * p[i] - t[i];
    v[0] = (weighted ? w[i] : 1.0F) * delta * delta;
  });
}
void squared_difference(float s, const float* p, const float* t, const float* w, Index begin, Index end, double* out) {
  w ? difference<true>(s, p, t, w, begin, end, out) : difference<false>(s, p, t, w, begin, end, out);
}

void l2_gradient(float s, float factor, const float* HWY_RESTRICT p, const float* HWY_RESTRICT t,
                 const float* HWY_RESTRICT w, float* HWY_RESTRICT dp, Index begin, Index end) {
  if (w)
    for (Index i = begin; i < end; ++i) dp[i] = factor * w[i] * (s * p[i] - t[i]);
  else
    for (Index i = begin; i < end; ++i) dp[i] = factor * (s * p[i] - t[i]);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(second_moments);
HWY_EXPORT(squared_difference);
HWY_EXPORT(l2_gradient);

const float* sample_weights(ConstView<float> w, Index n) {
  return w ? w.data + (w.shape.n == 1 ? 0 : n * w.shape.per_sample()) : nullptr;
}
}  // namespace

void relative_l2_forward(Stream& stream, const RelativeL2Params& params, ConstView<float> p, ConstView<float> t,
                         ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const float *pn = p.data + n * count, *tn = t.data + n * count, *wn = sample_weights(w, n);
    double products[3], delta;
    parallel_sums<3>(stream, count, products, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(second_moments)(pn, tn, wn, begin, end, out);
    });
    const auto [pp, pt, tt] = products;
    require(tt > 0, "relative_l2: target of sample {} is zero everywhere", n);
    const auto s = static_cast<float>(params.fit_scale ? (pp > 0 ? pt / pp : 0) : 1);  // (2)
    parallel_sums<1>(stream, count, &delta, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(squared_difference)(s, pn, tn, wn, begin, end, out);
    });
    stats[2 * n] = s;
    stats[2 * n + 1] = static_cast<float>(tt);
    loss[n] = static_cast<float>(params.root ? std::sqrt(delta / tt) : delta / tt);  // (1)
  }
}

void relative_l2_backward(Stream& stream, const RelativeL2Params& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, ConstView<float> stats, ConstView<float> loss, ConstView<float> dloss,
                          View<float> dp) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  require_shape("relative_l2", "dp", dp.shape, p.shape);
  const Index count = p.shape.per_sample();
  for (Index n = 0; n < p.shape.n; ++n) {
    const float s = stats[2 * n];
    float factor = 2 * dloss[n] * s / stats[2 * n + 1];
    if (params.root) factor = loss[n] > 0 ? factor / (2 * loss[n]) : 0.0F;
    parallel_ranges(stream, count, 1 << 12, [&](Index begin, Index end) {
      HWY_DYNAMIC_DISPATCH(l2_gradient)
      (s, factor, p.data + n * count, t.data + n * count, sample_weights(w, n), dp.data + n * count, begin, end);  // (3)
    });
  }
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

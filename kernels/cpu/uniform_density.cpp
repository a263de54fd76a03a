// Strategy: two passes of sums forward, one pass backward.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/uniform_density.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/cpu/sums-inl.h"
#include "kernels/uniform_density.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void powers(const float* HWY_RESTRICT a, Index begin, Index end, double* out) {
  lane_sums<2>(begin, end, out, [&](Index i, float* v) { v[0] = a[i] * a[i], v[1] = a[i] * a[i] * a[i]; });
}

void well(float level, const float* HWY_RESTRICT a, Index begin, Index end, double* out) {
  lane_sums<1>(begin, end, out, [&](Index i, float* v) {
    const float x = a[i] * (a[i] - level);
    v[0] = x * x;
  });
}

void well_gradient(float level, float q, float factor, const float* HWY_RESTRICT a, float* HWY_RESTRICT da, Index begin,
                   Index end) {
  for (Index i = begin; i < end; ++i) {
    const float delta = a[i] - level;
    da[i] = factor * a[i] * (delta * delta + a[i] * delta - q);
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(powers);
HWY_EXPORT(well);
HWY_EXPORT(well_gradient);
}  // namespace

void uniform_density_forward(Stream& stream, ConstView<float> a, View<float> stats, View<float> loss) {
  require_shape("uniform_density", "loss", loss.shape, sample_vector(a.shape.n));
  require_shape("uniform_density", "stats", stats.shape, {a.shape.n, 1, 1, 1, 3});
  const Index count = a.shape.per_sample();
  for (Index n = 0; n < a.shape.n; ++n) {
    const float* an = a.data + n * count;
    double sums[2], depth;
    parallel_sums<2>(stream, count, sums, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(powers)(an, begin, end, out);
    });
    const double level = sums[0] > 0 ? sums[1] / sums[0] : 0;  // (1)
    parallel_sums<1>(stream, count, &depth, [&](Index begin, Index end, double* out) {
      HWY_DYNAMIC_DISPATCH(well)(static_cast<float>(level), an, begin, end, out);
    });
    const double q = sums[0] > 0 ? depth / sums[0] : 0;
    stats[3 * n] = static_cast<float>(level);
    stats[3 * n + 1] = static_cast<float>(sums[0]);
    stats[3 * n + 2] = static_cast<float>(q);
    loss[n] = level > 0 ? static_cast<float>(q / (level * level)) : 0.0F;  // (2)
  }
}

void uniform_density_backward(Stream& stream, ConstView<float> a, ConstView<float> stats, ConstView<float> dloss,
                              View<float> da) {
  require_shape("uniform_density", "da", da.shape, a.shape);
  const Index count = a.shape.per_sample();
  for (Index n = 0; n < a.shape.n; ++n) {
    const float level = stats[3 * n], squares = stats[3 * n + 1], q = stats[3 * n + 2];
    const float factor = level > 0 ? 2 * dloss[n] / (level * level * squares) : 0.0F;
    parallel_ranges(stream, count, 1 << 12, [&](Index begin, Index end) {
      HWY_DYNAMIC_DISPATCH(well_gradient)(level, q, factor, a.data + n * count, da.data + n * count, begin, end);  // (3)
    });
  }
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

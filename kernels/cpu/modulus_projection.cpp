// Strategy: whole vectors of voxels, de-interleaved on the way; sums in float lanes over at most 1024 voxels, those in double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/modulus_projection.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/modulus_projection.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One vector of (1); returns its terms of (2).
template <class D>
HWY_INLINE hn::Vec<D> project(D d, float factor, const float* a, const float* f, float* y) {
  hn::Vec<D> re, im;
  hn::LoadInterleaved2(d, f, re, im);
  const auto target = hn::LoadU(d, a), c = hn::Set(d, factor);
  const auto measured = hn::Ge(target, hn::Zero(d));
  const auto squares = hn::MulAdd(re, re, hn::Mul(im, im));
  const auto m = hn::Sqrt(hn::Max(squares, hn::Set(d, modulus_projection::least_intensity)));
  const auto scale = hn::IfThenElse(measured, hn::Div(hn::Mul(c, target), m), c);
  hn::StoreInterleaved2(hn::Mul(scale, re), hn::Mul(scale, im), d, y);
  const auto difference = hn::IfThenElseZero(measured, hn::Sub(m, target));
  return hn::Mul(difference, difference);
}

double project_run(float factor, const float* a, const float* f, float* y, Index n) {
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  constexpr Index block = 1024;
  double sum = 0;
  for (Index begin = 0; begin < n; begin += block) {
    const Index end = std::min(n, begin + block);
    auto part = hn::Zero(wide);
    auto rest = hn::Zero(one);
    Index i = begin;
    for (; i + lanes <= end; i += lanes) part = hn::Add(part, project(wide, factor, a + i, f + 2 * i, y + 2 * i));
    for (; i < end; ++i) rest = hn::Add(rest, project(one, factor, a + i, f + 2 * i, y + 2 * i));
    sum += static_cast<double>(hn::GetLane(hn::SumOfLanes(wide, part))) + static_cast<double>(hn::GetLane(rest));
  }
  return sum;
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(project_run);
}

void modulus_projection(Stream& stream, float factor, ConstView<float> a, ConstView<float> f, View<float> y,
                        View<float> misfit) {
  modulus_projection::require_shapes(a.shape, f.shape, y.shape, misfit.shape);
  const Index voxels = f.shape.voxels();
  for (Index n = 0; n < f.shape.n; ++n) {
    const float* const an = a.data + (a.shape.n == 1 ? 0 : n * voxels);
    const Index first = 2 * n * voxels;
    double sum = 0;
    parallel_sums<1>(stream, voxels, &sum, [&](Index begin, Index end, double* out) {
      *out = HWY_DYNAMIC_DISPATCH(project_run)(factor, an + begin, f.data + first + 2 * begin, y.data + first + 2 * begin,
                                               end - begin);
    });
    misfit[n] = static_cast<float>(sum);
  }
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

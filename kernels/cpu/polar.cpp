// Strategy: vectors of voxels; sine and cosine from Highway's math library, the complex field interleaved on the way.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/polar.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/polar.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls body(tag, i) over [0, n) in whole vectors, then one by one.
template <class Body>
void over_vectors(Index n, const Body& body) {
  const hn::ScalableTag<float> wide;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) body(wide, i);
  for (; i < n; ++i) body(hn::CappedTag<float, 1>(), i);
}

void polar_run(const float* a, const float* phi, float* z, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    const auto angle = hn::LoadU(d, phi + i), amplitude = hn::LoadU(d, a + i);
    hn::StoreInterleaved2(hn::Mul(amplitude, hn::Cos(d, angle)), hn::Mul(amplitude, hn::Sin(d, angle)), d, z + 2 * i);
  });
}

void polar_gradient_run(const float* a, const float* phi, const float* dz, float* da, float* dphi, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    hn::Vec<decltype(d)> re, im;
    hn::LoadInterleaved2(d, dz + 2 * i, re, im);
    const auto angle = hn::LoadU(d, phi + i);
    const auto c = hn::Cos(d, angle), s = hn::Sin(d, angle);
    hn::StoreU(hn::MulAdd(re, c, hn::Mul(im, s)), d, da + i);
    hn::StoreU(hn::Mul(hn::LoadU(d, a + i), hn::Sub(hn::Mul(im, c), hn::Mul(re, s))), d, dphi + i);
  });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(polar_run);
HWY_EXPORT(polar_gradient_run);
}  // namespace

void polar_forward(Stream& stream, ConstView<float> a, ConstView<float> phi, View<float> z) {
  polar::require_shapes(a.shape, phi.shape, z.shape);
  parallel_ranges(stream, a.size(), 1 << 11, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(polar_run)(a.data + begin, phi.data + begin, z.data + 2 * begin, end - begin);
  });
}

void polar_backward(Stream& stream, ConstView<float> a, ConstView<float> phi, ConstView<float> dz, View<float> da,
                    View<float> dphi) {
  polar::require_shapes(a.shape, phi.shape, dz.shape);
  polar::require_shapes(da.shape, dphi.shape, dz.shape);
  parallel_ranges(stream, a.size(), 1 << 11, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(polar_gradient_run)
    (a.data + begin, phi.data + begin, dz.data + 2 * begin, da.data + begin, dphi.data + begin, end - begin);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

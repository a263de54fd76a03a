// Strategy: vectors of voxels, the complex field de-interleaved on the way.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/modulus.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/modulus_rows.h"
#include "kernels/cpu/parallel.h"
#include "kernels/modulus.h"

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

void modulus_run(float epsilon, const float* z, float* m, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    hn::Vec<decltype(d)> re, im;
    hn::LoadInterleaved2(d, z + 2 * i, re, im);
    hn::StoreU(hn::Sqrt(hn::MulAdd(re, re, hn::MulAdd(im, im, hn::Set(d, epsilon * epsilon)))), d, m + i);
  });
}

void modulus_gradient_run(const float* z, const float* m, const float* dm, float* dz, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    hn::Vec<decltype(d)> re, im;
    hn::LoadInterleaved2(d, z + 2 * i, re, im);
    const auto modulus = hn::LoadU(d, m + i);
    const auto g =
        hn::IfThenElseZero(hn::Gt(modulus, hn::Zero(d)), hn::Div(hn::LoadU(d, dm + i), modulus));
    hn::StoreInterleaved2(hn::Mul(g, re), hn::Mul(g, im), d, dz + 2 * i);
  });
}

void intensity_run(const float* z, float* intensity, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    hn::Vec<decltype(d)> re, im;
    hn::LoadInterleaved2(d, z + 2 * i, re, im);
    hn::StoreU(hn::MulAdd(re, re, hn::Mul(im, im)), d, intensity + i);
  });
}

void intensity_gradient_run(const float* z, const float* di, float* dz, Index n) {
  over_vectors(n, [&](auto d, Index i) {
    hn::Vec<decltype(d)> re, im;
    hn::LoadInterleaved2(d, z + 2 * i, re, im);
    const auto g = hn::Mul(hn::Set(d, 2.0F), hn::LoadU(d, di + i));
    hn::StoreInterleaved2(hn::Mul(g, re), hn::Mul(g, im), d, dz + 2 * i);
  });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(modulus_run);
HWY_EXPORT(modulus_gradient_run);
HWY_EXPORT(intensity_run);
HWY_EXPORT(intensity_gradient_run);
constexpr Index grain = 1 << 12;
}  // namespace

void modulus_row(float epsilon, const float* z, float* m, Index n) { HWY_DYNAMIC_DISPATCH(modulus_run)(epsilon, z, m, n); }

void modulus_gradient_row(const float* z, const float* m, const float* dm, float* dz, Index n) {
  HWY_DYNAMIC_DISPATCH(modulus_gradient_run)(z, m, dm, dz, n);
}

void modulus_forward(Stream& stream, float epsilon, ConstView<float> z, View<float> m) {
  modulus::require_shapes(z.shape, m.shape);
  parallel_ranges(stream, m.size(), grain, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(modulus_run)(epsilon, z.data + 2 * begin, m.data + begin, end - begin);
  });
}

void modulus_backward(Stream& stream, ConstView<float> z, ConstView<float> m, ConstView<float> dm, View<float> dz) {
  modulus::require_shapes(z.shape, m.shape);
  modulus::require_shapes(dz.shape, dm.shape);
  parallel_ranges(stream, m.size(), grain, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(modulus_gradient_run)
    (z.data + 2 * begin, m.data + begin, dm.data + begin, dz.data + 2 * begin, end - begin);
  });
}

void intensity_forward(Stream& stream, ConstView<float> z, View<float> intensity) {
  modulus::require_shapes(z.shape, intensity.shape);
  parallel_ranges(stream, intensity.size(), grain, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(intensity_run)(z.data + 2 * begin, intensity.data + begin, end - begin);
  });
}

void intensity_backward(Stream& stream, ConstView<float> z, ConstView<float> di, View<float> dz) {
  modulus::require_shapes(z.shape, di.shape);
  require_shape("intensity", "dz", dz.shape, z.shape);
  parallel_ranges(stream, di.size(), grain, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(intensity_gradient_run)
    (z.data + 2 * begin, di.data + begin, dz.data + 2 * begin, end - begin);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

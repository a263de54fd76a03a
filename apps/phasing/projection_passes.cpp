// Strategy: whole vectors of voxels, complex numbers de-interleaved on the way, a scalar tail. Sums: float lanes over at most
// one block of 1024 voxels, blocks in double.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "apps/phasing/projection_passes.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "apps/phasing/projection_passes.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::passes::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using V = hn::Vec<D>;

constexpr Index block = 1024;

/// Calls body(tag, i) over [begin, end) in whole vectors, then one by one.
template <class Body>
HWY_INLINE void over_vectors(Index begin, Index end, const Body& body) {
  const hn::ScalableTag<float> wide;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = begin;
  for (; i + lanes <= end; i += lanes) body(wide, i);
  for (; i < end; ++i) body(hn::CappedTag<float, 1>(), i);
}

/// The sum of what body(tag, i) returns, K numbers at a time.
template <int K, class Body>
HWY_INLINE void sums(Index n, double* out, const Body& body) {
  const hn::ScalableTag<float> wide;
  const hn::CappedTag<float, 1> one;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  for (int k = 0; k < K; ++k) out[k] = 0;
  for (Index begin = 0; begin < n; begin += block) {
    const Index end = begin + block < n ? begin + block : n;
    V<decltype(wide)> sum0 = hn::Zero(wide), sum1 = hn::Zero(wide);
    V<decltype(one)> rest0 = hn::Zero(one), rest1 = hn::Zero(one);
    Index i = begin;
    for (; i + lanes <= end; i += lanes) body(wide, i, sum0, sum1);
    for (; i < end; ++i) body(one, i, rest0, rest1);
    out[0] += static_cast<double>(hn::GetLane(hn::SumOfLanes(wide, sum0))) + static_cast<double>(hn::GetLane(rest0));
    if (K > 1)
      out[K - 1] += static_cast<double>(hn::GetLane(hn::SumOfLanes(wide, sum1))) + static_cast<double>(hn::GetLane(rest1));
  }
}

constexpr float tiny = 1e-30F, least_blurred = 0.1F;

double modulus_run(float* f, const float* amplitude, float factor, Index n) {
  double sum;
  sums<1>(n, &sum, [&](auto d, Index i, auto& total, auto&) {
    V<decltype(d)> re, im;
    hn::LoadInterleaved2(d, f + 2 * i, re, im);
    const auto a = hn::LoadU(d, amplitude + i), c = hn::Set(d, factor);
    const auto measured = hn::Ge(a, hn::Zero(d));
    const auto m = hn::Sqrt(hn::MulAdd(re, re, hn::MulAdd(im, im, hn::Set(d, tiny))));
    const auto scale = hn::IfThenElse(measured, hn::Div(hn::Mul(c, a), m), c);
    const auto difference = hn::IfThenElseZero(measured, hn::Sub(m, a));
    total = hn::MulAdd(difference, difference, total);
    hn::StoreInterleaved2(hn::Mul(scale, re), hn::Mul(scale, im), d, f + 2 * i);
  });
  return sum;
}

double blurred_modulus_run(float* f, const float* amplitude, const float* blurred, float factor, Index n) {
  double sum;
  sums<1>(n, &sum, [&](auto d, Index i, auto& total, auto&) {
    V<decltype(d)> re, im;
    hn::LoadInterleaved2(d, f + 2 * i, re, im);
    const auto a = hn::LoadU(d, amplitude + i), c = hn::Set(d, factor);
    const auto measured = hn::Ge(a, hn::Zero(d));
    const auto coherent = hn::MulAdd(re, re, hn::Mul(im, im));
    const auto least = hn::MulAdd(hn::Set(d, least_blurred), coherent, hn::Set(d, tiny));
    const auto m = hn::Sqrt(hn::Max(hn::LoadU(d, blurred + i), least));
    const auto scale = hn::IfThenElse(measured, hn::Div(hn::Mul(c, a), m), c);
    const auto difference = hn::IfThenElseZero(measured, hn::Sub(m, a));
    total = hn::MulAdd(difference, difference, total);
    hn::StoreInterleaved2(hn::Mul(scale, re), hn::Mul(scale, im), d, f + 2 * i);
  });
  return sum;
}

void intensity_run(const float* f, float* out, Index n) {
  over_vectors(0, n, [&](auto d, Index i) {
    V<decltype(d)> re, im;
    hn::LoadInterleaved2(d, f + 2 * i, re, im);
    hn::StoreU(hn::MulAdd(re, re, hn::Mul(im, im)), d, out + i);
  });
}

/// x and p from the blend of two linear combinations by `inside`.
template <class D, class M>
HWY_INLINE void blend(D d, const LinearUpdate& u, M inside, V<D> xr, V<D> xi, V<D> pr, V<D> pi, float* x, float* p) {
  const auto cx = hn::IfThenElse(inside, hn::Set(d, u.x_in), hn::Set(d, u.x_out));
  const auto cp = hn::IfThenElse(inside, hn::Set(d, u.p_in), hn::Set(d, u.p_out));
  const auto re = hn::MulAdd(cx, xr, hn::Mul(cp, pr)), im = hn::MulAdd(cx, xi, hn::Mul(cp, pi));
  hn::StoreInterleaved2(re, im, d, x);
  hn::StoreInterleaved2(re, im, d, p);
}

void linear_update_run(const LinearUpdate& u, const float* support, float* x, float* p, Index n) {
  over_vectors(0, n, [&](auto d, Index i) {
    V<decltype(d)> xr, xi, pr, pi;
    hn::LoadInterleaved2(d, x + 2 * i, xr, xi);
    hn::LoadInterleaved2(d, p + 2 * i, pr, pi);
    blend(d, u, hn::Ne(hn::LoadU(d, support + i), hn::Zero(d)), xr, xi, pr, pi, x + 2 * i, p + 2 * i);
  });
}

void ranged_update_run(const LinearUpdate& u, const PhaseRange& range, const float* support, float* x, float* p, Index n) {
  over_vectors(0, n, [&](auto d, Index i) {
    V<decltype(d)> xr, xi, pr, pi;
    hn::LoadInterleaved2(d, x + 2 * i, xr, xi);
    hn::LoadInterleaved2(d, p + 2 * i, pr, pi);
    const auto rr = hn::Set(d, range.reference_re), ri = hn::Set(d, range.reference_im);
    const auto ur = hn::MulAdd(pr, rr, hn::Mul(pi, ri)), ui = hn::MulSub(pi, rr, hn::Mul(pr, ri));
    const auto above = hn::Ge(hn::MulSub(hn::Set(d, range.low_re), ui, hn::Mul(hn::Set(d, range.low_im), ur)), hn::Zero(d));
    const auto below = hn::Ge(hn::MulSub(hn::Set(d, range.high_im), ur, hn::Mul(hn::Set(d, range.high_re), ui)), hn::Zero(d));
    const auto allowed = range.wide ? hn::Or(above, below) : hn::And(above, below);
    const auto inside = hn::And(allowed, hn::Ne(hn::LoadU(d, support + i), hn::Zero(d)));
    blend(d, u, inside, xr, xi, pr, pi, x + 2 * i, p + 2 * i);
  });
}

void flip_charges_run(float delta, float* x, float* p, Index n) {
  over_vectors(0, n, [&](auto d, Index i) {
    V<decltype(d)> re, im;
    hn::LoadInterleaved2(d, p + 2 * i, re, im);
    const auto faint = hn::Lt(hn::MulAdd(re, re, hn::Mul(im, im)), hn::Set(d, delta * delta));
    re = hn::IfThenElse(faint, hn::Neg(re), re);
    im = hn::IfThenElse(faint, hn::Neg(im), im);
    hn::StoreInterleaved2(re, im, d, x + 2 * i);
    hn::StoreInterleaved2(re, im, d, p + 2 * i);
  });
}

double likelihood_gradient_run(const float* f, const float* amplitude, float background, float factor, float* g, Index n) {
  double sum;
  sums<1>(n, &sum, [&](auto d, Index i, auto& total, auto&) {
    V<decltype(d)> re, im;
    hn::LoadInterleaved2(d, f + 2 * i, re, im);
    const auto a = hn::LoadU(d, amplitude + i), p = hn::MulAdd(re, re, hn::Mul(im, im));
    const auto measured = hn::Ge(a, hn::Zero(d));
    const auto ratio = hn::Div(hn::Mul(a, a), hn::Add(p, hn::Set(d, background)));
    const auto scale = hn::IfThenElseZero(measured, hn::Mul(hn::Set(d, factor), hn::Sub(hn::Set(d, 1.0F), ratio)));
    const auto difference = hn::IfThenElseZero(measured, hn::Sub(hn::Sqrt(p), a));
    total = hn::MulAdd(difference, difference, total);
    hn::StoreInterleaved2(hn::Mul(scale, re), hn::Mul(scale, im), d, g + 2 * i);
  });
  return sum;
}

void advance_run(float* f, const float* direction, float t, Index n) {
  over_vectors(0, 2 * n, [&](auto d, Index i) {
    hn::StoreU(hn::MulAdd(hn::Set(d, t), hn::LoadU(d, direction + i), hn::LoadU(d, f + i)), d, f + i);
  });
}

void masked_products_run(const float* support, float* g, const float* before, double* out, Index n) {
  sums<2>(n, out, [&](auto d, Index i, auto& power, auto& overlap) {
    V<decltype(d)> re, im, br, bi;
    hn::LoadInterleaved2(d, g + 2 * i, re, im);
    hn::LoadInterleaved2(d, before + 2 * i, br, bi);
    const auto inside = hn::Ne(hn::LoadU(d, support + i), hn::Zero(d));
    re = hn::IfThenElseZero(inside, re);
    im = hn::IfThenElseZero(inside, im);
    power = hn::MulAdd(re, re, hn::MulAdd(im, im, power));
    overlap = hn::MulAdd(re, br, hn::MulAdd(im, bi, overlap));
    hn::StoreInterleaved2(re, im, d, g + 2 * i);
  });
}

void likelihood_slope_run(const float* f, const float* direction, const float* amplitude, float background, float t,
                          double* out, Index n) {
  sums<2>(n, out, [&](auto d, Index i, auto& slope, auto& curvature) {
    V<decltype(d)> fr, fi, dr, di;
    hn::LoadInterleaved2(d, f + 2 * i, fr, fi);
    hn::LoadInterleaved2(d, direction + 2 * i, dr, di);
    const auto a = hn::LoadU(d, amplitude + i), step = hn::Set(d, t), two = hn::Set(d, 2.0F);
    const auto measured = hn::Ge(a, hn::Zero(d));
    const auto re = hn::MulAdd(step, dr, fr), im = hn::MulAdd(step, di, fi);
    const auto inverse = hn::Div(hn::Set(d, 1.0F), hn::Add(hn::MulAdd(re, re, hn::Mul(im, im)), hn::Set(d, background)));
    const auto dp = hn::Mul(two, hn::MulAdd(re, dr, hn::Mul(im, di)));    // dP/dt
    const auto ddp = hn::Mul(two, hn::MulAdd(dr, dr, hn::Mul(di, di)));   // d^2P/dt^2
    const auto ratio = hn::Mul(hn::Mul(a, a), inverse), miss = hn::Sub(hn::Set(d, 1.0F), ratio);
    slope = hn::Add(slope, hn::IfThenElseZero(measured, hn::Mul(dp, miss)));
    const auto bend = hn::MulAdd(ddp, miss, hn::Mul(hn::Mul(dp, dp), hn::Mul(ratio, inverse)));
    curvature = hn::Add(curvature, hn::IfThenElseZero(measured, bend));
  });
}

}  // namespace fringe::passes::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::passes {
namespace {
HWY_EXPORT(modulus_run);
HWY_EXPORT(blurred_modulus_run);
HWY_EXPORT(intensity_run);
HWY_EXPORT(linear_update_run);
HWY_EXPORT(ranged_update_run);
HWY_EXPORT(flip_charges_run);
HWY_EXPORT(likelihood_gradient_run);
HWY_EXPORT(advance_run);
HWY_EXPORT(masked_products_run);
HWY_EXPORT(likelihood_slope_run);

float* floats(Complex* z) { return reinterpret_cast<float*>(z); }
const float* floats(const Complex* z) { return reinterpret_cast<const float*>(z); }
}  // namespace

double modulus(Complex* f, const float* amplitude, float factor, Index n) {
  return HWY_DYNAMIC_DISPATCH(modulus_run)(floats(f), amplitude, factor, n);
}
double blurred_modulus(Complex* f, const float* amplitude, const float* blurred, float factor, Index n) {
  return HWY_DYNAMIC_DISPATCH(blurred_modulus_run)(floats(f), amplitude, blurred, factor, n);
}
void intensity(const Complex* f, float* out, Index n) { HWY_DYNAMIC_DISPATCH(intensity_run)(floats(f), out, n); }
void linear_update(const LinearUpdate& update, const float* support, Complex* x, Complex* p, Index n) {
  HWY_DYNAMIC_DISPATCH(linear_update_run)(update, support, floats(x), floats(p), n);
}
void ranged_update(const LinearUpdate& update, const PhaseRange& range, const float* support, Complex* x, Complex* p,
                   Index n) {
  HWY_DYNAMIC_DISPATCH(ranged_update_run)(update, range, support, floats(x), floats(p), n);
}
void flip_charges(float delta, Complex* x, Complex* p, Index n) {
  HWY_DYNAMIC_DISPATCH(flip_charges_run)(delta, floats(x), floats(p), n);
}
double likelihood_gradient(const Complex* f, const float* amplitude, float background, float factor, Complex* g, Index n) {
  return HWY_DYNAMIC_DISPATCH(likelihood_gradient_run)(floats(f), amplitude, background, factor, floats(g), n);
}
void advance(Complex* f, const Complex* d, float t, Index n) { HWY_DYNAMIC_DISPATCH(advance_run)(floats(f), floats(d), t, n); }
void masked_products(const float* support, Complex* g, const Complex* before, double* power, double* overlap, Index n) {
  double out[2];
  HWY_DYNAMIC_DISPATCH(masked_products_run)(support, floats(g), floats(before), out, n);
  *power = out[0];
  *overlap = out[1];
}
void likelihood_slope(const Complex* f, const Complex* d, const float* amplitude, float background, float t, double* slope,
                      double* curvature, Index n) {
  double out[2];
  HWY_DYNAMIC_DISPATCH(likelihood_slope_run)(floats(f), floats(d), amplitude, background, t, out, n);
  *slope = out[0];
  *curvature = out[1];
}

}  // namespace fringe::passes
#endif  // HWY_ONCE

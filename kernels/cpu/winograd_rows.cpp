// Strategy: channels are contiguous; eight or a vector of them at a time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/winograd_rows.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/convolution_winograd.h"
#include "kernels/cpu/registers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// call(d, p, c) for every pair p and the vectors d of its channels from c on: the widest that whole numbers of make `channels`, a
/// multiple of 8.
template <class Call>
HWY_INLINE void each_vector(Index pairs, Index channels, const Call& call) {
  const auto with = [&](auto d) HWY_ATTR {
    for (Index p = 0; p < pairs; ++p)
      for (Index c = 0; c < channels; c += static_cast<Index>(hn::Lanes(d))) call(d, p, c);
  };
  const hn::CappedTag<float, 16> sixteen;
  if (channels % static_cast<Index>(hn::Lanes(sixteen)) == 0)
    with(sixteen);
  else
    with(hn::CappedTag<float, 8>());
}

void inputs(const float* HWY_RESTRICT row, Index pairs, Index channels, float* HWY_RESTRICT to) {
  const Index all = pairs * channels;
  each_vector(pairs, channels, [&](auto d, Index p, Index c) HWY_ATTR FRINGE_INLINE_LAMBDA {
    const float* x = row + 2 * p * channels + c;
    const auto x0 = hn::LoadU(d, x), x1 = hn::LoadU(d, x + channels), x2 = hn::LoadU(d, x + 2 * channels),
               x3 = hn::LoadU(d, x + 3 * channels);
    float* u = to + p * channels + c;
    hn::StoreU(hn::Sub(x0, x2), d, u);
    hn::StoreU(hn::Add(x1, x2), d, u + all);
    hn::StoreU(hn::Sub(x2, x1), d, u + 2 * all);
    hn::StoreU(hn::Sub(x1, x3), d, u + 3 * all);
  });
}

void gradients(const float* HWY_RESTRICT row, Index pairs, Index channels, float* HWY_RESTRICT to) {
  const Index all = pairs * channels;
  each_vector(pairs, channels, [&](auto d, Index p, Index c) HWY_ATTR FRINGE_INLINE_LAMBDA {
    const float* g = row + 2 * p * channels + c;
    const auto g0 = hn::LoadU(d, g), g1 = hn::LoadU(d, g + channels);
    float* v = to + p * channels + c;
    hn::StoreU(g0, d, v);
    hn::StoreU(hn::Add(g0, g1), d, v + all);
    hn::StoreU(hn::Sub(g0, g1), d, v + 2 * all);
    hn::StoreU(hn::Neg(g1), d, v + 3 * all);
  });
}

void outputs(const float* HWY_RESTRICT m, Index pairs, Index channels, float* HWY_RESTRICT row) {
  const Index all = pairs * channels;
  each_vector(pairs, channels, [&](auto d, Index p, Index c) HWY_ATTR FRINGE_INLINE_LAMBDA {
    const float* at = m + p * channels + c;
    const auto m1 = hn::LoadU(d, at + all), m2 = hn::LoadU(d, at + 2 * all);
    float* y = row + 2 * p * channels + c;
    hn::StoreU(hn::Add(hn::LoadU(d, at), hn::Add(m1, m2)), d, y);
    hn::StoreU(hn::Sub(hn::Sub(m1, m2), hn::LoadU(d, at + 3 * all)), d, y + channels);
  });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(inputs);
HWY_EXPORT(gradients);
HWY_EXPORT(outputs);
}  // namespace

void winograd_inputs(const float* row, Index pairs, Index channels, float* to) {
  HWY_DYNAMIC_DISPATCH(inputs)(row, pairs, channels, to);
}
void winograd_gradients(const float* row, Index pairs, Index channels, float* to) {
  HWY_DYNAMIC_DISPATCH(gradients)(row, pairs, channels, to);
}
void winograd_outputs(const float* m, Index pairs, Index channels, float* row) {
  HWY_DYNAMIC_DISPATCH(outputs)(m, pairs, channels, row);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

// Strategy: lanes are channels. A channel whose scale is negative is pooled with its sign bit flipped, so that one loop finds
// the largest; a scale of zero flips every value to zero, of which the first is taken.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/fused_max_pool.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/fused_max_pool.h"
#include "kernels/max_pool.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class D>
HWY_INLINE void pool_vector(D d, const float* const* rows, Index step, const float* sign, float* y, std::uint8_t* which) {
  const hn::RebindToSigned<decltype(d)> numbers;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  const auto s = hn::LoadU(d, sign);
  auto value = hn::LoadU(d, rows[0]);
  auto best = hn::Mul(s, value);
  auto at = hn::Zero(numbers);
  for (int k = 1; k < 8; ++k) {
    const auto x = hn::LoadU(d, rows[k / 2] + k % 2 * step);
    const auto key = hn::Mul(s, x);
    const auto larger = hn::Gt(key, best);
    best = hn::IfThenElse(larger, key, best);
    value = hn::IfThenElse(larger, x, value);
    at = hn::IfThenElse(hn::RebindMask(numbers, larger), hn::Set(numbers, k), at);
  }
  hn::StoreU(value, d, y);
  hn::StoreU(hn::DemoteTo(bytes, at), bytes, which);
}

/// One row of outputs from the four input rows that it pools. sign: +1, -1 or 0 per channel.
void pool_row(const float* const* rows, Index width, Index channels, const float* sign, float* y, std::uint8_t* which) {
  const hn::CappedTag<float, 16> wide;
  const hn::CappedTag<float, 8> eight;
  const hn::CappedTag<float, 1> single;
  for (Index w = 0; w < width; ++w, y += channels, which += channels) {
    Index c = 0;
    const auto run = [&](auto d) {
      for (const auto lanes = static_cast<Index>(hn::Lanes(d)); c + lanes <= channels; c += lanes) {
        const float* at[4];
        for (int r = 0; r < 4; ++r) at[r] = rows[r] + 2 * w * channels + c;
        pool_vector(d, at, channels, sign + c, y + c, which + c);
      }
    };
    run(wide);
    run(eight);
    run(single);
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(pool_row);
}

void fused_max_pool_forward(Stream& stream, ConstView<float> x, ConstView<float> affine, View<float> y,
                            View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("fused_max_pool", "y", y.shape, s);
  require_shape("fused_max_pool", "which", which.shape, s);
  if (affine) require_shape("fused_max_pool", "affine", affine.shape, batch_norm_fold::affine_shape(s.c));
  float* sign = stream.scratch<float>(s.c);
  for (Index c = 0; c < s.c; ++c) sign[c] = !affine || affine[c] > 0 ? 1.0F : affine[c] < 0 ? -1.0F : 0.0F;
  const Index row = 2 * s.w * s.c, plane = 2 * s.h * row;
  parallel_ranges(stream, s.n * s.d * s.h, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const float* base = x.data + (r / s.h) * 2 * plane + (r % s.h) * 2 * row;
      const float* const rows[4] = {base, base + row, base + plane, base + plane + row};
      HWY_DYNAMIC_DISPATCH(pool_row)(rows, s.w, s.c, sign, y.data + r * s.w * s.c, which.data + r * s.w * s.c);
    }
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

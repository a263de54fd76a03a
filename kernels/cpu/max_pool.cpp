// Strategy: lanes are channels; the largest of eight vectors and its number stay in registers (a loop that the compiler
// vectorised by itself mixed floats and bytes and reached 5 % of the memory roof).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/max_pool.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/max_pool.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Input k of output voxel w: the eight are numbered as in `which`.
template <class P>
HWY_INLINE P* input(P* const* rows, Index w, int k, Index channels) {
  return rows[k / 2] + (2 * w + k % 2) * channels;
}

template <class D>
HWY_INLINE void pool_row_of(D d, const float* const* rows, Index width, Index channels, float* HWY_RESTRICT y,
                            std::uint8_t* HWY_RESTRICT which) {
  const hn::RebindToSigned<decltype(d)> numbers;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index w = 0; w < width; ++w, y += channels, which += channels) {
    Index c = 0;
    for (; c + lanes <= channels; c += lanes) {
      auto best = hn::LoadU(d, input(rows, w, 0, channels) + c);
      auto at = hn::Zero(numbers);
      for (int k = 1; k < 8; ++k) {
        const auto x = hn::LoadU(d, input(rows, w, k, channels) + c);
        const auto larger = hn::Gt(x, best);
        best = hn::IfThenElse(larger, x, best);
        at = hn::IfThenElse(hn::RebindMask(numbers, larger), hn::Set(numbers, k), at);
      }
      hn::StoreU(best, d, y + c);
      hn::StoreU(hn::DemoteTo(bytes, at), bytes, which + c);
    }
    for (; c < channels; ++c) {
      y[c] = input(rows, w, 0, channels)[c];
      which[c] = 0;
      for (int k = 1; k < 8; ++k)
        if (const float x = input(rows, w, k, channels)[c]; x > y[c]) y[c] = x, which[c] = static_cast<std::uint8_t>(k);
    }
  }
}

template <class D>
HWY_INLINE void unpool_row_of(D d, float* const* rows, Index width, Index channels, const float* HWY_RESTRICT dy,
                              const std::uint8_t* HWY_RESTRICT which) {
  const hn::RebindToSigned<decltype(d)> numbers;
  const hn::Rebind<std::uint8_t, decltype(d)> bytes;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index w = 0; w < width; ++w, dy += channels, which += channels) {
    Index c = 0;
    for (; c + lanes <= channels; c += lanes) {
      const auto at = hn::PromoteTo(numbers, hn::LoadU(bytes, which + c));
      const auto g = hn::LoadU(d, dy + c);
      for (int k = 0; k < 8; ++k)
        hn::StoreU(hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(at, hn::Set(numbers, k))), g), d,
                   input(rows, w, k, channels) + c);
    }
    for (; c < channels; ++c)
      for (int k = 0; k < 8; ++k) input(rows, w, k, channels)[c] = which[c] == k ? dy[c] : 0.0F;
  }
}

/// One row of outputs from the four input rows that it pools.
void pool_row(const float* const* rows, Index width, Index channels, float* y, std::uint8_t* which) {
  if (channels < 16) return pool_row_of(hn::CappedTag<float, 8>(), rows, width, channels, y, which);
  pool_row_of(hn::CappedTag<float, 16>(), rows, width, channels, y, which);
}

void unpool_row(float* const* rows, Index width, Index channels, const float* dy, const std::uint8_t* which) {
  if (channels < 16) return unpool_row_of(hn::CappedTag<float, 8>(), rows, width, channels, dy, which);
  unpool_row_of(hn::CappedTag<float, 16>(), rows, width, channels, dy, which);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {

HWY_EXPORT(pool_row);
HWY_EXPORT(unpool_row);

/// body(output row offset, the four input rows), for every output row.
template <class P, class Body>
void for_each_row(Stream& stream, P* x, const Shape& out, const Body& body) {
  const Index row = 2 * out.w * out.c, plane = 2 * out.h * row;
  parallel_ranges(stream, out.n * out.d * out.h, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      P* base = x + (r / out.h) * 2 * plane + (r % out.h) * 2 * row;
      P* const rows[4] = {base, base + row, base + plane, base + plane + row};
      body(r * out.w * out.c, rows);
    }
  });
}

}  // namespace

void max_pool_forward(Stream& stream, ConstView<float> x, View<float> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("max_pool", "y", y.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for_each_row(stream, x.data, s, [&](Index at, const float* const* rows) {
    HWY_DYNAMIC_DISPATCH(pool_row)(rows, s.w, s.c, y.data + at, which.data + at);
  });
}

void max_pool_backward(Stream& stream, ConstView<std::uint8_t> which, ConstView<float> dy, View<float> dx) {
  const Shape s = max_pool::output_shape(dx.shape);
  require_shape("max_pool", "dy", dy.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for_each_row(stream, dx.data, s, [&](Index at, float* const* rows) {
    HWY_DYNAMIC_DISPATCH(unpool_row)(rows, s.w, s.c, dy.data + at, which.data + at);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

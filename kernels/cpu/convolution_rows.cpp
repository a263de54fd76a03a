// Strategy: channels repeat along a row, so their numbers are repeated to a period of at least 64 floats, whole vectors for all
// numbers of channels that networks have.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/convolution_rows.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/convolution_rows.h"

#include <cstring>

#include "hwy/highway.h"
#include "kernels/cpu/registers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// vector(i, k) for the vectors of whole periods, number(i, k) for what is left; k: i's place in its period.
template <class D, class Vector, class Number>
HWY_INLINE void each_period(D d, Index count, Index period, const Vector& vector, const Number& number) {
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  if (period % lanes == 0)
    for (; i + period <= count; i += period)
      for (Index k = 0; k < period; k += lanes) vector(i + k, k);
  for (; i < count; i += period)
    for (Index k = 0; k < std::min(period, count - i); ++k) number(i + k, k);
}

/// to[0 .. count) = scale * from + offset
inline void load_affine(const float* HWY_RESTRICT from, Index count, const float* HWY_RESTRICT scale,
                        const float* HWY_RESTRICT offset, Index period, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  each_period(
      d, count, period,
      [&](Index i, Index k) HWY_ATTR FRINGE_INLINE_LAMBDA {
        hn::StoreU(hn::MulAdd(hn::LoadU(d, scale + k), hn::LoadU(d, from + i), hn::LoadU(d, offset + k)), d, to + i);
      },
      [&](Index i, Index k) { to[i] = scale[k] * from[i] + offset[k]; });
}

/// to = (y > 0 ? 1 : slope) * (a * dz + t * y + o); to may be dz.
inline void load_gradient(const float* dz, const float* HWY_RESTRICT y, float slope, Index count, const float* HWY_RESTRICT a,
                          const float* HWY_RESTRICT t, const float* HWY_RESTRICT o, Index period, float* to) {
  const hn::ScalableTag<float> d;
  each_period(
      d, count, period,
      [&](Index i, Index k) HWY_ATTR FRINGE_INLINE_LAMBDA {
        const auto yi = hn::LoadU(d, y + i);
        const auto g = hn::MulAdd(hn::LoadU(d, a + k), hn::LoadU(d, dz + i), hn::MulAdd(hn::LoadU(d, t + k), yi, hn::LoadU(d, o + k)));
        hn::StoreU(hn::IfThenElse(hn::Gt(yi, hn::Zero(d)), g, hn::Mul(hn::Set(d, slope), g)), d, to + i);
      },
      [&](Index i, Index k) {
        const float g = a[k] * dz[i] + (t[k] * y[i] + o[k]);
        to[i] = y[i] > 0 ? g : slope * g;
      });
}

/// A row of dz' from the half-sized row that it belongs to; `number`: 4 (d % 2) + 2 (h % 2).
template <class D>
HWY_INLINE void unpool_row(D d, const float* dz, const std::uint8_t* which, Index half_width, Index channels, int number,
                           float* to) {
  const hn::RebindToSigned<D> numbers;
  const hn::Rebind<std::uint8_t, D> bytes;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index w = 0; w < half_width; ++w, dz += channels, which += channels, to += 2 * channels) {
    Index c = 0;
    for (; c + lanes <= channels; c += lanes) {
      const auto at = hn::PromoteTo(numbers, hn::LoadU(bytes, which + c));
      const auto g = hn::LoadU(d, dz + c);
      for (int k = 0; k < 2; ++k) {
        const auto here = hn::RebindMask(d, hn::Eq(at, hn::Set(numbers, number + k)));
        hn::StoreU(hn::IfThenElseZero(here, g), d, to + k * channels + c);
      }
    }
    for (; c < channels; ++c)
      for (int k = 0; k < 2; ++k) to[k * channels + c] = which[c] == number + k ? dz[c] : 0.0F;
  }
}

/// In place, to the nearest value of bfloat16: to_bfloat16 without its branch, so that it becomes vectors.
inline void round_in_place(float* HWY_RESTRICT row, Index count) {
#pragma GCC ivdep
  for (Index i = 0; i < count; ++i) {
    const auto bits = std::bit_cast<std::uint32_t>(row[i]);
    const auto nearest = std::bit_cast<float>((bits + 0x7FFFU + (bits >> 16 & 1U)) & 0xFFFF0000U);
    row[i] = row[i] == row[i] ? nearest : row[i];
  }
}

void read_exactly(const Loader& l, Index n, Index d, Index h, float* to) {
  const RowSource& s = l.source;
  const Index count = s.shape.w * s.shape.c, at = ((n * s.shape.d + d) * s.shape.h + h) * count;
  if (s.packed) {
    const bfloat16* HWY_RESTRICT from = s.packed + at;
    for (Index i = 0; i < count; ++i) to[i] = std::bit_cast<float>(static_cast<std::uint32_t>(from[i].bits) << 16);
    return;
  }
  if (s.y == nullptr) {
    if (s.affine == nullptr)
      std::memcpy(to, s.x + at, static_cast<std::size_t>(count) * sizeof(float));
    else
      load_affine(s.x + at, count, l.first, l.second, l.period, to);
    return;
  }
  const float* dz = s.x + at;
  if (s.which) {
    const Index half = ((n * (s.shape.d / 2) + d / 2) * (s.shape.h / 2) + h / 2) * (count / 2);
    const int number = static_cast<int>(4 * (d % 2) + 2 * (h % 2));
    if (s.shape.c < 16)
      unpool_row(hn::CappedTag<float, 8>(), s.x + half, s.which + half, s.shape.w / 2, s.shape.c, number, to);
    else
      unpool_row(hn::CappedTag<float, 16>(), s.x + half, s.which + half, s.shape.w / 2, s.shape.c, number, to);
    dz = to;
  }
  load_gradient(dz, s.y + at, s.slope, count, l.first, l.second, l.third, l.period, to);
}

void read_row(const Loader& l, Index n, Index d, Index h, float* to) {
  read_exactly(l, n, d, h, to);
  if (l.source.rounded) round_in_place(to, l.source.shape.w * l.source.shape.c);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(read_row);
}  // namespace

Loader::Loader(const RowSource& s, float* memory) : source(s), period(channel_period(s.shape.c)) {
  if (s.plain()) return;
  const Index c = s.shape.c;
  float *p = memory, *q = p + period, *r = q + period;
  for (Index k = 0; k < period; ++k) {
    const Index i = k % c;
    if (s.affine) {
      const auto scale = static_cast<double>(s.affine[i]), centre = static_cast<double>(s.affine[c + i]);
      p[k] = s.affine[i];
      q[k] = static_cast<float>(static_cast<double>(s.affine[2 * c + i]) - scale * centre);
      r[k] = 0;
    } else {
      p[k] = s.fold ? s.fold[i] : 1.0F;
      q[k] = s.fold ? s.fold[c + i] : 0.0F;
      r[k] = s.fold ? s.fold[2 * c + i] : 0.0F;
    }
  }
  first = p, second = q, third = r;
}

void load_row(const Loader& loader, Index n, Index d, Index h, float* to) {
  HWY_DYNAMIC_DISPATCH(read_row)(loader, n, d, h, to);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

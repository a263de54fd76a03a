// Strategy: `voxels` x `vectors` accumulators in registers (voxels along W, vectors of output channels); each input is
// broadcast and meets a vector of weights, which are packed in the order of use. One output channel: lanes run over the
// inputs. Steps that networks have are constants, so that one register addresses the inputs of all voxels of a block.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/convolution_product.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/convolution_product.h"

#include "hwy/highway.h"
#include "kernels/cpu/registers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// `Voxels` consecutive voxels from `voxel` on. Step: out.step when it is known at compile time, else 0.
template <int Voxels, int Vectors, int Step, class D>
HWY_INLINE void product_block(D d, const OutputRow& out, const RowTap<float>* taps, int tap_count, Index voxel,
                              const float* HWY_RESTRICT weights, const float* HWY_RESTRICT bias) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  const Index step = Step > 0 ? Step : out.step, run = out.run, stride = out.stride, valid = out.valid;
  V sum[Voxels][Vectors];
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v][c] = hn::Load(d, bias + c * lanes); });
  });
  for (int t = 0; t < tap_count; ++t) {
    const float* HWY_RESTRICT x = taps[t].row + voxel * step;
    const float* HWY_RESTRICT w = weights + taps[t].tap * run * Vectors * lanes;
    for (const float* end = x + run; x != end; ++x, w += Vectors * lanes) {
      // What a voxel reads now its neighbour reads a few steps later: GCC would carry it there, through memory and with half of
      // the speed. A pointer it knows nothing about prevents that.
      asm("" : "+r"(x));
      V wk[Vectors];
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { wk[c] = hn::Load(d, w + c * lanes); });
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        const V xv = hn::Set(d, x[v * step]);
        unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v][c] = hn::MulAdd(xv, wk[c], sum[v][c]); });
      });
    }
  }
  float* HWY_RESTRICT y = out.y + voxel * stride;
  if (out.second != nullptr) {
#if HWY_TARGET != HWY_SCALAR  // has no halves, and never asks for them
    if constexpr (Vectors == 1) {
      const hn::Half<D> half;
      float* HWY_RESTRICT second = out.second + voxel * stride;
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        hn::StoreU(hn::LowerHalf(half, sum[v][0]), half, y + v * stride);
        hn::StoreU(hn::UpperHalf(half, sum[v][0]), half, second + v * stride);
      });
    }
#endif
  } else if (valid == Vectors * lanes) {
    unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(sum[v][c], d, y + v * stride + c * lanes); });
    });
  } else {
    unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
        store_first(d, valid - c * lanes, sum[v][c], y + v * stride + c * lanes);
      });
    });
  }
}

template <int Vectors, int Step, class D>
void product_row(const OutputRow& out, const RowTap<float>* taps, int tap_count, const float* weights, const float* bias) {
  constexpr int most = accumulators / Vectors;
  const D d;
  Index v = 0;
  for (; v + most <= out.width; v += most) product_block<most, Vectors, Step>(d, out, taps, tap_count, v, weights, bias);
  if constexpr (most > 4)
    for (; v + 4 <= out.width; v += 4) product_block<4, Vectors, Step>(d, out, taps, tap_count, v, weights, bias);
  for (; v < out.width; ++v) product_block<1, Vectors, Step>(d, out, taps, tap_count, v, weights, bias);
}

template <int Vectors, class D>
BlockedProduct product_of(D, Index step) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
#if HWY_TARGET != HWY_SCALAR
  // Constant steps are worth 20 % where an input meets one vector of weights, 2 % where it meets two. Half vectors are for odd
  // numbers of channels.
  if constexpr (hn::MaxLanes(D()) == hn::MaxLanes(hn::ScalableTag<float>())) {
    if constexpr (Vectors == 1) {
      if (step == 2) return {block, product_row<1, 2, D>};
      if (step == 8) return {block, product_row<1, 8, D>};
      if (step == 16) return {block, product_row<1, 16, D>};
    } else if (step == 64) {
      return {block, product_row<2, 64, D>};
    }
    if (step == 32) return {block, product_row<Vectors, 32, D>};
  }
#endif
  static_cast<void>(step);
  return {block, product_row<Vectors, 0, D>};
}

BlockedProduct choose_blocked(Index co, Index step) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  if (co <= 8) return product_of<1>(eight, step);
  if (co <= static_cast<Index>(hn::MaxLanes(widest))) return product_of<1>(widest, step);
  return product_of<2>(widest, step);
}

BlockedProduct choose_sixteen(Index step) {
  const hn::ScalableTag<float> widest;
  if constexpr (hn::MaxLanes(widest) == 16) return product_of<1>(widest, step);
  return {16, nullptr};
}

template <int Voxels, class D>
HWY_INLINE void dot_block(D d, const RowTap<float>* taps, int tap_count, Index step, Index run, Index voxel,
                          const float* HWY_RESTRICT w, float bias, float* HWY_RESTRICT y) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  V sum[Voxels];
  float rest[Voxels] = {};
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v] = hn::Zero(d); });
  for (int t = 0; t < tap_count; ++t) {
    const float* HWY_RESTRICT x = taps[t].row + voxel * step;
    const float* HWY_RESTRICT wt = w + taps[t].tap * run;
    Index k = 0;
    for (; k + lanes <= run; k += lanes) {
      const V wk = hn::LoadU(d, wt + k);
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        sum[v] = hn::MulAdd(hn::LoadU(d, x + v * step + k), wk, sum[v]);
      });
    }
    for (; k < run; ++k)
      for (int v = 0; v < Voxels; ++v) rest[v] += x[v * step + k] * wt[k];
  }
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
    y[v] = bias + rest[v] + hn::GetLane(hn::SumOfLanes(d, sum[v]));
  });
}

void dot_row(const OutputRow& out, const RowTap<float>* taps, int count, const float* weights, float bias) {
  const hn::CappedTag<float, 8> d;
  Index v = 0;
  for (; v + 8 <= out.width; v += 8) dot_block<8>(d, taps, count, out.step, out.run, v, weights, bias, out.y + v);
  for (; v < out.width; ++v) dot_block<1>(d, taps, count, out.step, out.run, v, weights, bias, out.y + v);
}

void sum_of_rows(const float* const* rows, int count, Index length, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  Index o = 0;
  for (; o + lanes <= length; o += lanes) {
    auto sum = hn::LoadU(d, rows[0] + o);
    for (int r = 1; r < count; ++r) sum = hn::Add(sum, hn::LoadU(d, rows[r] + o));
    hn::StoreU(sum, d, to + o);
  }
  for (; o < length; ++o) {
    to[o] = rows[0][o];
    for (int r = 1; r < count; ++r) to[o] += rows[r][o];
  }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(choose_blocked);
HWY_EXPORT(choose_sixteen);
HWY_EXPORT(dot_row);
HWY_EXPORT(sum_of_rows);
}  // namespace

BlockedProduct blocked_product(Index co, Index step) { return HWY_DYNAMIC_DISPATCH(choose_blocked)(co, step); }
BlockedProduct sixteen_product(Index step) { return HWY_DYNAMIC_DISPATCH(choose_sixteen)(step); }
void single_product(const OutputRow& out, const RowTap<float>* taps, int count, const float* weights, float bias) {
  HWY_DYNAMIC_DISPATCH(dot_row)(out, taps, count, weights, bias);
}
void add_rows(const float* const* rows, int count, Index length, float* to) {
  HWY_DYNAMIC_DISPATCH(sum_of_rows)(rows, count, length, to);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

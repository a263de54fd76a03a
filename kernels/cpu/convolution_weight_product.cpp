// Strategy: a block of taps x output channels in registers, over all voxels of the rows; inputs are broadcast. One output
// channel: a vector over the inputs, the gradient is broadcast. One input channel: all 27 taps stay in registers.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/convolution_weight_product.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/convolution_weight_product.h"

#include "hwy/highway.h"
#include "kernels/cpu/registers-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Taps k0 <= k < k0 + Taps, one or two vectors of output channels, of which `valid` count unless they are Whole.
template <int Taps, int Vectors, bool Whole, class D>
HWY_INLINE void weights_block(D d, const WeightRows& rows, Index k0, Index co, Index valid, float* HWY_RESTRICT dw) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  const Index width = rows.width, step = rows.step, dy_step = rows.dy_step;
  V sum[Taps][Vectors];
  unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[k][c] = hn::Zero(d); });
  });
  const auto add_voxel = [&](const float* HWY_RESTRICT x, const V* g) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
      const V xk = hn::Set(d, x[k]);
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[k][c] = hn::MulAdd(xk, g[c], sum[k][c]); });
    });
  };
  for (int r = 0; r < rows.count; ++r) {
    const float* HWY_RESTRICT x = rows.in[r] + k0;
    const float* HWY_RESTRICT dy = rows.dy[r];
    V g[Vectors];
    for (Index v = 0; v < width; ++v, x += step, dy += dy_step) {
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
        if constexpr (Whole)
          g[c] = hn::LoadU(d, dy + c * lanes);
        else
          g[c] = load_first(d, valid - c * lanes, dy + c * lanes);
      });
      add_voxel(x, g);
    }
  }
  unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
      float* out = dw + (k0 + k) * co + c * lanes;
      if constexpr (Whole) {
        hn::StoreU(hn::Add(hn::LoadU(d, out), sum[k][c]), d, out);
      } else {
        store_first(d, valid - c * lanes, hn::Add(load_first(d, valid - c * lanes, out), sum[k][c]), out);
      }
    });
  });
}

template <int Vectors, class D>
void weights_run(const WeightRows& rows, Index run, Index co, Index valid, float* dw) {
  constexpr int large = accumulators * 3 / 2 / Vectors;  // 24 accumulators of 32 registers, 12 of 16
  const D d;
  Index k = 0;
  if (valid == Vectors * static_cast<Index>(hn::MaxLanes(d))) {
    for (; k + large <= run; k += large) weights_block<large, Vectors, true>(d, rows, k, co, valid, dw);
    if constexpr (large > 16)
      for (; k + 16 <= run; k += 16) weights_block<16, Vectors, true>(d, rows, k, co, valid, dw);
    if constexpr (large > 8)
      for (; k + 8 <= run; k += 8) weights_block<8, Vectors, true>(d, rows, k, co, valid, dw);
    for (; k + 3 <= run; k += 3) weights_block<3, Vectors, true>(d, rows, k, co, valid, dw);
    for (; k < run; ++k) weights_block<1, Vectors, true>(d, rows, k, co, valid, dw);
  } else {  // odd numbers of channels, which networks do not have
    for (; k + 6 <= run; k += 6) weights_block<6, Vectors, false>(d, rows, k, co, valid, dw);
    for (; k < run; ++k) weights_block<1, Vectors, false>(d, rows, k, co, valid, dw);
  }
}

template <class D>
void sum_channels(const float* dy, Index rows, Index co, float* db) {
  const D d;
  constexpr Index lanes = hn::MaxLanes(D());
  Index c = 0;
  for (; c + lanes <= co; c += lanes) {
    auto a = hn::Zero(d), b = hn::Zero(d);
    Index r = 0;
    for (; r + 2 <= rows; r += 2) {
      a = hn::Add(a, hn::LoadU(d, dy + r * co + c));
      b = hn::Add(b, hn::LoadU(d, dy + (r + 1) * co + c));
    }
    if (r < rows) a = hn::Add(a, hn::LoadU(d, dy + r * co + c));
    hn::StoreU(hn::Add(hn::LoadU(d, db + c), hn::Add(a, b)), d, db + c);
  }
  for (; c < co; ++c) {
    float sum = 0;
    for (Index r = 0; r < rows; ++r) sum += dy[r * co + c];
    db[c] += sum;
  }
}

template <int Vectors, class D>
BlockedWeightProduct weights_of(D) {
  return {Vectors * static_cast<Index>(hn::MaxLanes(D())), weights_run<Vectors, D>, sum_channels<D>};
}

BlockedWeightProduct choose_weights(Index co) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  if (co <= 8) return weights_of<1>(eight);
  if (co <= static_cast<Index>(hn::MaxLanes(widest))) return weights_of<1>(widest);
  return weights_of<2>(widest);
}

void weights_single(const WeightRows& rows, Index run, float* HWY_RESTRICT dw) {
  const hn::CappedTag<float, 8> d;
  using V = hn::Vec<decltype(d)>;
  constexpr Index lanes = hn::MaxLanes(d);
  constexpr int block = 3;
  Index k = 0;
  for (; k + block * lanes <= run; k += block * lanes) {
    V sum[2][block];
    for (auto& half : sum)
      for (auto& v : half) v = hn::Zero(d);
    for (int r = 0; r < rows.count; ++r) {
      const float* HWY_RESTRICT x = rows.in[r] + k;
      const float* HWY_RESTRICT dy = rows.dy[r];
      for (Index v = 0; v < rows.width; ++v, x += rows.step) {
        const V g = hn::Set(d, dy[v]);
#pragma GCC unroll 3
        for (int c = 0; c < block; ++c) sum[0][c] = hn::MulAdd(g, hn::LoadU(d, x + c * lanes), sum[0][c]);
        if (++v == rows.width) break;
        x += rows.step;
        const V g1 = hn::Set(d, dy[v]);
#pragma GCC unroll 3
        for (int c = 0; c < block; ++c) sum[1][c] = hn::MulAdd(g1, hn::LoadU(d, x + c * lanes), sum[1][c]);
      }
    }
    for (int c = 0; c < block; ++c) {
      float* out = dw + k + c * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, out), hn::Add(sum[0][c], sum[1][c])), d, out);
    }
  }
  for (; k < run; ++k) {
    float sum = 0;
    for (int r = 0; r < rows.count; ++r)
      for (Index v = 0; v < rows.width; ++v) sum += rows.dy[r][v] * rows.in[r][v * rows.step + k];
    dw[k] += sum;
  }
}

/// So that dy is read once. Rows outside the volume are zeros.
template <class D>
void weights_first_layer(const ConvShape& s, const InputRows<float>& rows, Index plane, Index h0, Index h1, const float* dy,
                         float* dw) {
  const D d;
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  constexpr Index taps = 27;
  alignas(64) static constexpr float zeros[first_layer_width + 2] = {};
  for (Index o = 0; o < s.co; o += lanes) {
    V sum[taps];
    unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[t] = hn::Zero(d); });
    for (Index h = h0; h < h1; ++h) {
      const float* row[9];
      for (Index r = 0; r < 9; ++r) {
        row[r] = rows.row(plane + r / 3 - 1, h + r % 3 - 1);
        if (row[r] == nullptr) row[r] = zeros;
      }
      const float* HWY_RESTRICT g = dy + (h - h0) * s.w * s.co + o;
      for (Index v = 0; v < s.w; ++v, g += s.co) {
        const V gv = hn::LoadU(d, g);
        unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA {
          sum[t] = hn::MulAdd(hn::Set(d, row[t / 3][v + t % 3]), gv, sum[t]);
        });
      }
    }
    unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA {
      float* out = dw + t * s.co + o;
      hn::StoreU(hn::Add(hn::LoadU(d, out), sum[t]), d, out);
    });
  }
}

FirstLayerProduct* choose_first_layer(Index co) {
  const hn::ScalableTag<float> widest;
  if constexpr (accumulators == 16) {  // 27 sums need 32 registers
    if (co == 8) return weights_first_layer<hn::CappedTag<float, 8>>;
    if (co % static_cast<Index>(hn::MaxLanes(widest)) == 0) return weights_first_layer<hn::ScalableTag<float>>;
  }
  static_cast<void>(co), static_cast<void>(widest);
  return nullptr;
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(choose_weights);
HWY_EXPORT(choose_first_layer);
HWY_EXPORT(weights_single);
}  // namespace

BlockedWeightProduct blocked_weight_product(Index co) { return HWY_DYNAMIC_DISPATCH(choose_weights)(co); }
FirstLayerProduct* first_layer_product(Index co) { return HWY_DYNAMIC_DISPATCH(choose_first_layer)(co); }
void single_weight_product(const WeightRows& rows, Index run, float* dw) {
  HWY_DYNAMIC_DISPATCH(weights_single)(rows, run, dw);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

// conv3d on the CPU: direct convolution, register blocked, over channels-last rows.
//
// Strategy. A row is one line of voxels along W with all its channels, so that for a fixed (kd, kh) the taps kw and the
// input channels together are one contiguous run of Kw*Ci floats beginning at voxel w of the zero-padded row:
//
//   y[w, co] += sum_{k < Kw*Ci} row[w*Ci + k] * weights[kd][kh][k][co]
//
// - a small matrix product. The micro-kernel holds `voxels` x `vectors` accumulators in registers (voxels along W,
// vectors of output channels), broadcasts inputs and reads weights packed in the order of use. Rows outside the volume
// are left out of the sum, not multiplied by zero.
// - Work is split into planes (n, tile of H, d), dealt to threads in contiguous runs; kernels with Kw > 1 copy the input
//   planes they need into a ring of Kd planes with padded rows, which stays in the L2 cache.
// - The data gradient is the same kernel with flipped and transposed weights.
// - The weight gradient keeps a block of taps x output channels in registers and runs over all voxels of a plane; each
//   thread sums its planes privately, then the sums are added in the order of the threads.
// - One output channel (the network's heads) has its own micro-kernels: lanes run over the inputs.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv3d.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/conv3d.h"
#include "kernels/cpu/parallel.h"

#ifndef FRINGE_CPU_CONV3D_ONCE
#define FRINGE_CPU_CONV3D_ONCE
namespace fringe::cpu {

/// The geometry of one call, as plain numbers.
struct ConvShape {
  Index n, d, h, w, ci, co;
  Index kd, kh, kw;
  Index run() const { return kw * ci; }                       ///< contiguous inputs per (kd, kh) and output voxel
  Index padded_row() const { return (w + kw - 1) * ci; }      ///< floats in a padded input row
  Index taps() const { return kd * kh * run(); }              ///< weights per output channel
};

/// Where weight (tap i, j, k, input c, output o) is read from: the weights themselves, or flipped and transposed for the
/// data gradient.
struct WeightSource {
  const float* w;
  bool flipped;
};

/// A run of consecutive planes (d0 <= d < d1) of one tile of rows (h0 <= h < h1) of sample n.
struct PlaneRun {
  Index n, h0, h1, d0, d1;
};

/// Cuts (n, H tiles, d) into plane runs, d fastest, and hands them to the threads in equal contiguous pieces.
/// body(thread, plane run).
template <class Body>
void for_each_plane_run(Stream& stream, const ConvShape& s, const Body& body) {
  // Kd padded planes of a tile should take at most about half of a 1 MiB L2 cache.
  constexpr Index cache_floats = (512 << 10) / sizeof(float);
  const Index rows_in_cache = std::max<Index>(8, cache_floats / (s.kd * s.padded_row() + s.w * s.co));
  Index tiles = (s.h + rows_in_cache - 1) / rows_in_cache;
  while (s.n * s.d * tiles < stream.threads() && tiles < s.h) ++tiles;
  const Index columns = s.n * tiles, planes = columns * s.d;
  const Index pieces = std::min<Index>(stream.threads(), planes);
  parallel_tasks(stream, pieces, [&](Index piece) {
    Index at = planes * piece / pieces;
    const Index end = planes * (piece + 1) / pieces;
    while (at < end) {
      const Index column = at / s.d, d0 = at % s.d, d1 = std::min(s.d, d0 + end - at);
      const Index n = column / tiles, tile = column % tiles;
      body(piece, PlaneRun{n, s.h * tile / tiles, s.h * (tile + 1) / tiles, d0, d1});
      at += d1 - d0;
    }
  });
}

/// The input rows a plane run needs, with zeros on both sides along W. When Kw = 1 these are the rows of x itself.
class InputRows {
 public:
  /// Floats of scratch memory each thread needs.
  static Index scratch(const ConvShape& s) { return s.kw == 1 ? 0 : s.kd * s.h * s.padded_row(); }

  InputRows(const ConvShape& s, const float* x, const PlaneRun& run, float* ring)
      : s_(s), x_(x + run.n * s.d * s.h * s.w * s.ci), ring_(ring),
        first_(std::max<Index>(0, run.h0 - s.kh / 2)), last_(std::min(s.h, run.h1 + s.kh / 2)) {
    if (s.kw == 1) return;
    const Index edge = s.kw / 2 * s.ci;
    for (Index r = 0; r < s.kd * (last_ - first_); ++r) {
      float* row = ring_ + r * s.padded_row();
      std::fill(row, row + edge, 0.0F);
      std::fill(row + edge + s.w * s.ci, row + s.padded_row(), 0.0F);
    }
    for (Index d = std::max<Index>(0, run.d0 - s.kd / 2); d < run.d0 + s.kd / 2; ++d) fill(d);
  }

  /// Makes ready all planes that output plane d needs; called for d = d0, d0+1, ...
  void advance(Index d) {
    if (s_.kw > 1) fill(d + s_.kd / 2);
  }

  /// The padded row, or nullptr outside the volume.
  const float* row(Index d, Index h) const {
    if (d < 0 || d >= s_.d || h < 0 || h >= s_.h) return nullptr;
    if (s_.kw == 1) return x_ + (d * s_.h + h) * s_.w * s_.ci;
    return ring_ + ((d % s_.kd) * (last_ - first_) + h - first_) * s_.padded_row();
  }

 private:
  void fill(Index d) {
    if (d >= s_.d) return;
    const Index edge = s_.kw / 2 * s_.ci, length = s_.w * s_.ci;
    for (Index h = first_; h < last_; ++h)
      std::memcpy(ring_ + ((d % s_.kd) * (last_ - first_) + h - first_) * s_.padded_row() + edge,
                  x_ + (d * s_.h + h) * length, static_cast<std::size_t>(length) * sizeof(float));
  }

  const ConvShape s_;
  const float* x_;
  float* ring_;
  Index first_, last_;
};

/// A row of inputs and the weights it meets.
struct RowTap {
  const float* row;
  Index tap;  ///< kd * Kh + kh
};
constexpr Index max_row_taps = 81;  // 9 x 9, the largest kernel of the CPU backend

/// Lists the input rows that reach output row (d, h); returns how many.
inline int row_taps(const ConvShape& s, const InputRows& rows, Index d, Index h, RowTap* taps) {
  int count = 0;
  for (Index i = 0; i < s.kd; ++i)
    for (Index j = 0; j < s.kh; ++j)
      if (const float* row = rows.row(d + i - s.kd / 2, h + j - s.kh / 2)) taps[count++] = {row, i * s.kh + j};
  return count;
}

#define FRINGE_INLINE_LAMBDA __attribute__((always_inline))

inline Index round_up(Index a, Index b) { return (a + b - 1) / b * b; }

}  // namespace fringe::cpu
#endif  // FRINGE_CPU_CONV3D_ONCE

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Accumulators that fit in the registers beside the operands: 32 registers with AVX-512 and NEON, 16 with AVX2.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR
constexpr int accumulators = 8;
#else
constexpr int accumulators = 16;
#endif

// ---- forward -------------------------------------------------------------------------------------------------------

/// f(0), f(1), ... f(N-1) with the number as a constant. Loops over an array of vectors, even unrolled ones, make GCC keep
/// the array in memory and store it at every step (measured: 38 instead of 75 % of the matrix-product roof).
template <int N, class F>
HWY_INLINE void unrolled(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) HWY_ATTR FRINGE_INLINE_LAMBDA {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

/// y[v][0 .. vectors) for `Voxels` consecutive voxels. weights: [row tap][run][Vectors * lanes], aligned by packing.
/// Ci: the number of input channels when it is known at compile time (then inputs are read at constant offsets), else 0.
/// With `second`, the upper half of each voxel's vector goes there and the lower half to y.
template <int Voxels, int Vectors, int Ci, class D>
HWY_INLINE void forward_block(D d, const RowTap* taps, int tap_count, Index dynamic_ci, Index run, Index voxel,
                              const float* HWY_RESTRICT weights, const float* HWY_RESTRICT bias, float* HWY_RESTRICT y,
                              Index co, Index valid, float* HWY_RESTRICT second = nullptr) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  const Index ci = Ci > 0 ? Ci : dynamic_ci;
  V sum[Voxels][Vectors];
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v][c] = hn::Load(d, bias + c * lanes); });
  });
  for (int t = 0; t < tap_count; ++t) {
    const float* HWY_RESTRICT x = taps[t].row + voxel * ci;
    const float* HWY_RESTRICT w = weights + taps[t].tap * run * Vectors * lanes;
    for (const float* end = x + run; x != end; ++x, w += Vectors * lanes) {
      V wk[Vectors];
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { wk[c] = hn::Load(d, w + c * lanes); });
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        const V xv = hn::Set(d, x[v * ci]);
        unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v][c] = hn::MulAdd(xv, wk[c], sum[v][c]); });
      });
    }
  }
  if (second != nullptr) {
#if HWY_TARGET != HWY_SCALAR  // has no halves, and never asks for them
    if constexpr (Vectors == 1) {
      const hn::Half<D> half;
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        hn::StoreU(hn::LowerHalf(half, sum[v][0]), half, y + v * co);
        hn::StoreU(hn::UpperHalf(half, sum[v][0]), half, second + v * co);
      });
    }
#endif
  } else if (valid == Vectors * lanes) {
    unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
      unrolled<Vectors>(
          [&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { hn::StoreU(sum[v][c], d, y + v * co + c * lanes); });
    });
  } else {
    unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
        if (const Index left = valid - c * lanes; left > 0)
          hn::BlendedStore(sum[v][c], hn::FirstN(d, static_cast<size_t>(std::min(left, lanes))), d,
                           y + v * co + c * lanes);
      });
    });
  }
}

/// A row of outputs as the micro-kernel sees it: `width` voxels, `step` input floats from one to the next, `run` inputs each.
struct OutputRow {
  Index width, step, run;
  float* y;
  Index stride;  ///< floats from one output voxel to the next
  Index valid;   ///< of them written
  float* second = nullptr;
};

template <int Vectors, int Ci, class D>
HWY_INLINE void forward_row(D d, const OutputRow& out, const RowTap* taps, int tap_count, const float* weights,
                            const float* bias) {
  constexpr int M = accumulators / Vectors;
  const auto block = [&]<int Voxels>(std::integral_constant<int, Voxels>, Index v) HWY_ATTR FRINGE_INLINE_LAMBDA {
    forward_block<Voxels, Vectors, Ci>(d, taps, tap_count, out.step, out.run, v, weights, bias, out.y + v * out.stride,
                                       out.stride, out.valid, out.second ? out.second + v * out.stride : nullptr);
  };
  Index v = 0;
  for (; v + M <= out.width; v += M) block(std::integral_constant<int, M>{}, v);
  if constexpr (M > 4)
    for (; v + 4 <= out.width; v += 4) block(std::integral_constant<int, 4>{}, v);
  for (; v < out.width; ++v) block(std::integral_constant<int, 1>{}, v);
}

template <int Vectors, class D>
void pack_weights(D, Stream& stream, const ConvShape& s, WeightSource source, float* packed) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  const Index blocks = (s.co + block - 1) / block, taps = s.kd * s.kh * s.kw;
  parallel_tasks(stream, blocks * taps, [&](Index task) {
    const Index b = task / taps, tap = task % taps;
    float* out = packed + (b * taps + tap) * s.ci * block;
    const Index valid = std::min(block, s.co - b * block);
    for (Index c = 0; c < s.ci; ++c, out += block) {
      if (!source.flipped) {
        const float* in = source.w + (tap * s.ci + c) * s.co + b * block;
        std::copy(in, in + valid, out);
      } else {  // the source has Ci and Co exchanged: here s.ci = Co of w, s.co = Ci of w
        const float* in = source.w + (taps - 1 - tap) * s.ci * s.co + c;
        for (Index o = 0; o < valid; ++o) out[o] = in[(b * block + o) * s.ci];
      }
      std::fill(out + valid, out + block, 0.0F);
    }
  });
}

template <int Vectors, int Ci, class D>
void forward_planes_of(D d, Stream& stream, const ConvShape& s, const float* x, WeightSource source, const float* bias,
                    float* y) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  const Index blocks = (s.co + block - 1) / block;
  const Index weight_floats = blocks * s.taps() * block, bias_floats = round_up(blocks * block, 16);
  const Index ring_floats = round_up(InputRows::scratch(s), 16);
  float* packed = stream.scratch<float>(round_up(weight_floats, 16) + bias_floats + stream.threads() * ring_floats);
  float* packed_bias = packed + round_up(weight_floats, 16);
  float* rings = packed_bias + bias_floats;
  pack_weights<Vectors>(d, stream, s, source, packed);
  std::fill(packed_bias, packed_bias + bias_floats, 0.0F);
  if (bias) std::copy(bias, bias + s.co, packed_bias);

  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    InputRows rows(s, x, run, rings + thread * ring_floats);
    RowTap taps[max_row_taps];
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.advance(plane);
      for (Index b = 0; b < blocks; ++b)
        for (Index h = run.h0; h < run.h1; ++h) {
          const int count = row_taps(s, rows, plane, h, taps);
          const OutputRow out{s.w, s.ci, s.run(), y + ((run.n * s.d + plane) * s.h + h) * s.w * s.co + b * block,
                              s.co, std::min(block, s.co - b * block)};
          forward_row<Vectors, Ci>(d, out, taps, count, packed + b * s.taps() * block, packed_bias + b * block);
        }
    }
  });
}

/// The widths of networks get kernels of their own.
template <int Vectors, class D>
void forward_planes(D d, Stream& stream, const ConvShape& s, const float* x, WeightSource source, const float* bias,
                    float* y) {
  switch (s.ci) {
    case 8: return forward_planes_of<Vectors, 8>(d, stream, s, x, source, bias, y);
    case 16: return forward_planes_of<Vectors, 16>(d, stream, s, x, source, bias, y);
    case 32: return forward_planes_of<Vectors, 32>(d, stream, s, x, source, bias, y);
    case 64: return forward_planes_of<Vectors, 64>(d, stream, s, x, source, bias, y);
    case 128: return forward_planes_of<Vectors, 128>(d, stream, s, x, source, bias, y);
    default: return forward_planes_of<Vectors, 0>(d, stream, s, x, source, bias, y);
  }
}

// Eight output channels and sixteen lanes: a vector holds two neighbouring output voxels. Both are fed by every broadcast
// input that reaches either, with weight zero where it reaches only one: K+1 products per pair along an axis of K taps
// instead of 2K half-filled ones.
enum class Pair {
  along_w,  ///< voxels w, w+1 of a row: for kernels with Kw > 1
  along_h,  ///< the voxels of rows h and h+1: for 1 x Kh x 1
};

template <Pair P, int Step, class D>
void forward_pairs_of(D d, Stream& stream, const ConvShape& s, const float* x, WeightSource source, const float* bias,
                      float* y) {
  constexpr Index co = 8, lanes = 16;
  constexpr bool along_w = P == Pair::along_w;
  const hn::CappedTag<float, 8> eight;
  // Along w: kd*kh row taps, each a run of (kw+1)*ci; along h: kh+1 row taps, each a run of ci.
  const Index run = (along_w ? s.kw + 1 : 1) * s.ci, row_tap_count = along_w ? s.kd * s.kh : s.kh + 1;
  const Index plain_floats = round_up(s.taps() * co, 16), pair_floats = row_tap_count * run * lanes;
  const Index ring_floats = round_up(InputRows::scratch(s), 16);
  float* plain = stream.scratch<float>(plain_floats + pair_floats + lanes + stream.threads() * ring_floats);
  float *packed = plain + plain_floats, *packed_bias = packed + pair_floats, *rings = packed_bias + lanes;
  pack_weights<1>(eight, stream, s, source, plain);
  for (Index t = 0; t < row_tap_count; ++t)
    for (Index k = 0; k < run; ++k) {
      // the plain tap of each voxel of the pair, or none
      const Index first = along_w ? (k < s.run() ? t * s.run() + k : -1) : (t < s.kh ? t * s.ci + k : -1);
      const Index second = along_w ? (k >= s.ci ? t * s.run() + k - s.ci : -1) : (t >= 1 ? (t - 1) * s.ci + k : -1);
      float* out = packed + (t * run + k) * lanes;
      for (Index o = 0; o < co; ++o) {
        out[o] = first >= 0 ? plain[first * co + o] : 0.0F;
        out[co + o] = second >= 0 ? plain[second * co + o] : 0.0F;
      }
    }
  for (Index o = 0; o < co; ++o) packed_bias[o] = packed_bias[co + o] = bias ? bias[o] : 0.0F;

  ConvShape split = s;
  if (!along_w) split.h /= 2;  // threads and tiles divide pairs of rows
  for_each_plane_run(stream, split, [&](Index thread, PlaneRun part) {
    if (!along_w) part.h0 *= 2, part.h1 *= 2;
    InputRows rows(s, x, part, rings + thread * ring_floats);
    RowTap taps[max_row_taps];
    for (Index plane = part.d0; plane < part.d1; ++plane) {
      rows.advance(plane);
      for (Index h = part.h0; h < part.h1; h += along_w ? 1 : 2) {
        float* out = y + ((part.n * s.d + plane) * s.h + h) * s.w * co;
        if constexpr (along_w) {
          const int count = row_taps(s, rows, plane, h, taps);
          forward_row<1, Step>(d, {s.w / 2, 2 * s.ci, run, out, 2 * co, lanes}, taps, count, packed, packed_bias);
        } else {
          int count = 0;
          for (Index j = 0; j <= s.kh; ++j)
            if (const float* row = rows.row(plane, h + j - s.kh / 2)) taps[count++] = {row, j};
          forward_row<1, Step>(d, {s.w, s.ci, run, out, co, co, out + s.w * co}, taps, count, packed, packed_bias);
        }
      }
    }
  });
}

/// True when it has been done.
template <class D>
bool forward_pairs(D d, Stream& stream, ConvShape s, const float* x, WeightSource source, const float* bias, float* y) {
  if constexpr (hn::MaxLanes(D()) != 16) return false;
  if (s.co != 8) return false;
  if (s.kw > 1 && s.w % 2 == 0) {
    switch (s.ci) {
      case 1: forward_pairs_of<Pair::along_w, 2>(d, stream, s, x, source, bias, y); break;
      case 8: forward_pairs_of<Pair::along_w, 16>(d, stream, s, x, source, bias, y); break;
      case 16: forward_pairs_of<Pair::along_w, 32>(d, stream, s, x, source, bias, y); break;
      default: forward_pairs_of<Pair::along_w, 0>(d, stream, s, x, source, bias, y);
    }
    return true;
  }
  // K x 1 x 1 is 1 x K x 1 on an array whose rows are whole planes.
  if (s.kw == 1 && s.kh == 1 && s.kd > 1) s = {s.n, 1, s.d, s.h * s.w, s.ci, s.co, 1, s.kd, 1};
  if (s.kw == 1 && s.kd == 1 && s.kh > 1 && s.h % 2 == 0) {
    if (s.ci == 8)
      forward_pairs_of<Pair::along_h, 8>(d, stream, s, x, source, bias, y);
    else
      forward_pairs_of<Pair::along_h, 0>(d, stream, s, x, source, bias, y);
    return true;
  }
  return false;
}

// One output channel: lanes run over the Kw*Ci inputs of an output voxel.
template <int Voxels, class D>
HWY_INLINE void dot_block(D d, const RowTap* taps, int tap_count, Index ci, Index run, Index voxel,
                          const float* HWY_RESTRICT w, float bias, float* HWY_RESTRICT y) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  V sum[Voxels];
  float rest[Voxels] = {};
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[v] = hn::Zero(d); });
  for (int t = 0; t < tap_count; ++t) {
    const float* HWY_RESTRICT x = taps[t].row + voxel * ci;
    const float* HWY_RESTRICT wt = w + taps[t].tap * run;
    Index k = 0;
    for (; k + lanes <= run; k += lanes) {
      const V wk = hn::LoadU(d, wt + k);
      unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
        sum[v] = hn::MulAdd(hn::LoadU(d, x + v * ci + k), wk, sum[v]);
      });
    }
    for (; k < run; ++k)
      for (int v = 0; v < Voxels; ++v) rest[v] += x[v * ci + k] * wt[k];
  }
  unrolled<Voxels>([&](auto v) HWY_ATTR FRINGE_INLINE_LAMBDA {
    y[v] = bias + rest[v] + hn::GetLane(hn::SumOfLanes(d, sum[v]));
  });
}

template <class D>
void forward_single(D d, Stream& stream, const ConvShape& s, const float* x, const float* w, float bias, float* y) {
  const Index ring_floats = round_up(InputRows::scratch(s), 16);
  float* rings = stream.scratch<float>(stream.threads() * ring_floats);
  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    InputRows rows(s, x, run, rings + thread * ring_floats);
    RowTap taps[max_row_taps];
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.advance(plane);
      for (Index h = run.h0; h < run.h1; ++h) {
        const int count = row_taps(s, rows, plane, h, taps);
        float* out = y + ((run.n * s.d + plane) * s.h + h) * s.w;
        Index v = 0;
        for (; v + 8 <= s.w; v += 8) dot_block<8>(d, taps, count, s.ci, s.run(), v, w, bias, out + v);
        for (; v < s.w; ++v) dot_block<1>(d, taps, count, s.ci, s.run(), v, w, bias, out + v);
      }
    }
  });
}

void forward(Stream& stream, const ConvShape& s, const float* x, WeightSource w, const float* bias, float* y) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  constexpr Index lanes = hn::MaxLanes(widest);
  if (s.co == 1 && !w.flipped && s.ci >= 8) return forward_single(eight, stream, s, x, w.w, bias ? *bias : 0, y);
  if (forward_pairs(widest, stream, s, x, w, bias, y)) return;
  if (s.co <= 8) return forward_planes<1>(eight, stream, s, x, w, bias, y);
  if (s.co <= lanes) return forward_planes<1>(widest, stream, s, x, w, bias, y);
  forward_planes<2>(widest, stream, s, x, w, bias, y);
}

// ---- weight gradient -----------------------------------------------------------------------------------------------

/// Adds to dw[k][o] (k0 <= k < k0+Taps, one or two vectors of o) the sum over the voxels of rows h0..h1 of one plane.
template <int Taps, int Vectors, class D>
HWY_INLINE void weights_block(D d, const RowTap* rows, const float* const* dys, int count, Index w, Index ci, Index co,
                              Index k0, float* HWY_RESTRICT dw, Index valid) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  V sum[Taps][Vectors];
  unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[k][c] = hn::Zero(d); });
  });
  const bool whole = valid == Vectors * lanes;
  const auto add_voxel = [&](const float* HWY_RESTRICT x, const V* g) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
      const V xk = hn::Set(d, x[k]);
      unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[k][c] = hn::MulAdd(xk, g[c], sum[k][c]); });
    });
  };
  for (int r = 0; r < count; ++r) {
    const float* HWY_RESTRICT x = rows[r].row + k0;
    const float* HWY_RESTRICT dy = dys[r];
    V g[Vectors];
    if (whole) {
      for (Index v = 0; v < w; ++v, x += ci, dy += co) {
        unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { g[c] = hn::LoadU(d, dy + c * lanes); });
        add_voxel(x, g);
      }
    } else {
      for (Index v = 0; v < w; ++v, x += ci, dy += co) {
        unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
          const Index left = std::clamp<Index>(valid - c * lanes, 0, lanes);
          g[c] = hn::MaskedLoad(hn::FirstN(d, static_cast<size_t>(left)), d, dy + c * lanes);
        });
        add_voxel(x, g);
      }
    }
  }
  unrolled<Taps>([&](auto k) HWY_ATTR FRINGE_INLINE_LAMBDA {
    unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA {
      float* out = dw + (k0 + k) * co + c * lanes;
      if (whole) {
        hn::StoreU(hn::Add(hn::LoadU(d, out), sum[k][c]), d, out);
      } else if (const Index left = std::min(valid - c * lanes, lanes); left > 0) {
        const auto mask = hn::FirstN(d, static_cast<size_t>(left));
        hn::BlendedStore(hn::Add(hn::MaskedLoad(mask, d, out), sum[k][c]), mask, d, out);
      }
    });
  });
}

/// Runs over all taps k < run of one (kd, kh) in register blocks.
template <int Vectors, class D>
HWY_INLINE void weights_run(D d, const RowTap* rows, const float* const* dys, int count, const ConvShape& s, float* dw,
                            Index valid) {
  constexpr int Large = accumulators * 3 / 2 / Vectors;  // 24 accumulators of 32 registers, 12 of 16
  const Index run = s.run();
  Index k = 0;
  for (; k + Large <= run; k += Large)
    weights_block<Large, Vectors>(d, rows, dys, count, s.w, s.ci, s.co, k, dw, valid);
  if constexpr (Large > 16)
    for (; k + 16 <= run; k += 16) weights_block<16, Vectors>(d, rows, dys, count, s.w, s.ci, s.co, k, dw, valid);
  for (; k + 8 <= run; k += 8) weights_block<8, Vectors>(d, rows, dys, count, s.w, s.ci, s.co, k, dw, valid);
  for (; k + 3 <= run; k += 3) weights_block<3, Vectors>(d, rows, dys, count, s.w, s.ci, s.co, k, dw, valid);
  for (; k < run; ++k) weights_block<1, Vectors>(d, rows, dys, count, s.w, s.ci, s.co, k, dw, valid);
}

/// One output channel: dw is a vector over the inputs, dy is broadcast.
template <class D>
HWY_INLINE void weights_single(D d, const RowTap* rows, const float* const* dys, int count, const ConvShape& s,
                               float* HWY_RESTRICT dw) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  constexpr int Block = 3;
  Index k = 0;
  for (; k + Block * lanes <= s.run(); k += Block * lanes) {
    V sum[2][Block];
    for (auto& half : sum)
      for (auto& v : half) v = hn::Zero(d);
    for (int r = 0; r < count; ++r) {
      const float* HWY_RESTRICT x = rows[r].row + k;
      for (Index v = 0; v < s.w; ++v, x += s.ci) {
        const V g = hn::Set(d, dys[r][v]);
#pragma GCC unroll 3
        for (int c = 0; c < Block; ++c) sum[0][c] = hn::MulAdd(g, hn::LoadU(d, x + c * lanes), sum[0][c]);
        if (++v == s.w) break;
        x += s.ci;
        const V g1 = hn::Set(d, dys[r][v]);
#pragma GCC unroll 3
        for (int c = 0; c < Block; ++c) sum[1][c] = hn::MulAdd(g1, hn::LoadU(d, x + c * lanes), sum[1][c]);
      }
    }
    for (int c = 0; c < Block; ++c) {
      float* out = dw + k + c * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, out), hn::Add(sum[0][c], sum[1][c])), d, out);
    }
  }
  for (; k < s.run(); ++k) {
    float sum = 0;
    for (int r = 0; r < count; ++r)
      for (Index v = 0; v < s.w; ++v) sum += dys[r][v] * rows[r].row[v * s.ci + k];
    dw[k] += sum;
  }
}

template <class D>
void sum_channels(D d, const float* dy, Index rows, Index co, float* db) {
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

/// Adds the threads' private sums in the order of the threads.
inline void fold_weight_sums(Stream& stream, const ConvShape& s, const float* sums, Index sum_floats, Index weight_floats,
                             float* dw, float* db) {
  parallel_ranges(stream, weight_floats + s.co, 1 << 10, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      float sum = sums[i];
      for (int t = 1; t < stream.threads(); ++t) sum += sums[t * sum_floats + i];
      if (i < weight_floats)
        dw[i] = sum;
      else if (db)
        db[i - weight_floats] = sum;
    }
  });
}

template <int Vectors, class D>
void weights_planes(D d, Stream& stream, const ConvShape& s, const float* x, const float* dy, float* dw, float* db) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  constexpr int max_rows = 64;  // rows of a plane gathered before their taps are run over
  const Index weight_floats = s.taps() * s.co, sum_floats = round_up(weight_floats + s.co, 16);
  const Index ring_floats = round_up(InputRows::scratch(s), 16);
  float* sums = stream.scratch<float>(stream.threads() * (sum_floats + ring_floats));
  float* rings = sums + stream.threads() * sum_floats;
  std::fill(sums, rings, 0.0F);

  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    float* my_dw = sums + thread * sum_floats;
    InputRows rows(s, x, run, rings + thread * ring_floats);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.advance(plane);
      const float* dy_plane = dy + (run.n * s.d + plane) * s.h * s.w * s.co;
      for (Index h0 = run.h0; h0 < run.h1; h0 += max_rows) {
        const Index h1 = std::min(run.h1, h0 + max_rows);
        if (db) sum_channels(d, dy_plane + h0 * s.w * s.co, (h1 - h0) * s.w, s.co, my_dw + weight_floats);
        for (Index i = 0; i < s.kd; ++i)
          for (Index j = 0; j < s.kh; ++j) {
            RowTap in[max_rows];
            const float* out[max_rows];
            int count = 0;
            for (Index h = h0; h < h1; ++h)
              if (const float* row = rows.row(plane + i - s.kd / 2, h + j - s.kh / 2)) {
                in[count] = {row, 0};
                out[count++] = dy_plane + h * s.w * s.co;
              }
            float* dw_tap = my_dw + (i * s.kh + j) * s.run() * s.co;
            if (s.co == 1) {
              weights_single(d, in, out, count, s, dw_tap);
              continue;
            }
            for (Index o = 0; o < s.co; o += block) {
              const float* out_block[max_rows];
              for (int r = 0; r < count; ++r) out_block[r] = out[r] + o;
              weights_run<Vectors>(d, in, out_block, count, s, dw_tap + o, std::min(block, s.co - o));
            }
          }
      }
    }
  });
  fold_weight_sums(stream, s, sums, sum_floats, weight_floats, dw, db);
}

/// One input channel, 3x3x3: all 27 taps stay in registers, so that dy is read once. Rows outside the volume are zeros.
template <class D>
void weights_first_layer(D d, Stream& stream, const ConvShape& s, const float* x, const float* dy, float* dw, float* db) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  constexpr Index taps = 27;
  const Index weight_floats = taps * s.co, sum_floats = round_up(weight_floats + s.co, 16);
  const Index ring_floats = round_up(InputRows::scratch(s), 16), zero_floats = round_up(s.padded_row(), 16);
  float* sums = stream.scratch<float>(zero_floats + stream.threads() * (sum_floats + ring_floats));
  float* rings = sums + stream.threads() * sum_floats;
  float* zeros = rings + stream.threads() * ring_floats;
  std::fill(sums, rings, 0.0F);
  std::fill(zeros, zeros + zero_floats, 0.0F);
  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    float* my_dw = sums + thread * sum_floats;
    InputRows rows(s, x, run, rings + thread * ring_floats);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.advance(plane);
      const float* dy_plane = dy + (run.n * s.d + plane) * s.h * s.w * s.co;
      if (db) sum_channels(d, dy_plane + run.h0 * s.w * s.co, (run.h1 - run.h0) * s.w, s.co, my_dw + weight_floats);
      for (Index o = 0; o < s.co; o += lanes) {
        V sum[taps];
        unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[t] = hn::Zero(d); });
        for (Index h = run.h0; h < run.h1; ++h) {
          const float* row[9];
          for (Index r = 0; r < 9; ++r) {
            row[r] = rows.row(plane + r / 3 - 1, h + r % 3 - 1);
            if (row[r] == nullptr) row[r] = zeros;
          }
          const float* HWY_RESTRICT g = dy_plane + h * s.w * s.co + o;
          for (Index v = 0; v < s.w; ++v, g += s.co) {
            const V gv = hn::LoadU(d, g);
            unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA {
              sum[t] = hn::MulAdd(hn::Set(d, row[t / 3][v + t % 3]), gv, sum[t]);
            });
          }
        }
        unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA {
          float* out = my_dw + t * s.co + o;
          hn::StoreU(hn::Add(hn::LoadU(d, out), sum[t]), d, out);
        });
      }
    }
  });
  fold_weight_sums(stream, s, sums, sum_floats, weight_floats, dw, db);
}

void weights(Stream& stream, const ConvShape& s, const float* x, const float* dy, float* dw, float* db) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  constexpr Index lanes = hn::MaxLanes(widest);
  if (accumulators == 16 && s.ci == 1 && s.kd == 3 && s.kh == 3 && s.kw == 3) {  // 27 sums need 32 registers
    if (s.co == 8) return weights_first_layer(eight, stream, s, x, dy, dw, db);
    if (s.co % lanes == 0) return weights_first_layer(widest, stream, s, x, dy, dw, db);
  }
  if (s.co <= 8) return weights_planes<1>(eight, stream, s, x, dy, dw, db);
  if (s.co <= lanes) return weights_planes<1>(widest, stream, s, x, dy, dw, db);
  weights_planes<2>(widest, stream, s, x, dy, dw, db);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {

namespace {
HWY_EXPORT(forward);
HWY_EXPORT(weights);

ConvShape conv_shape(const Shape& x, const Shape& w, Index ci, Index co) {
  require(w.n * w.d <= max_row_taps, "conv3d: kernels on the CPU have at most {} taps over D and H, weights have shape {}",
          max_row_taps, w.str());
  return {x.n, x.d, x.h, x.w, ci, co, w.n, w.d, w.h};
}
}  // namespace

void conv3d_forward(Stream& stream, ConstView<float> x, ConstView<float> w, ConstView<float> b, View<float> y) {
  conv3d::require_forward(x.shape, w.shape, b ? &b.shape : nullptr, y.shape);
  const auto s = conv_shape(x.shape, w.shape, x.shape.c, y.shape.c);
  HWY_DYNAMIC_DISPATCH(forward)(stream, s, x.data, {w.data, false}, b.data, y.data);
}

void conv3d_backward_data(Stream& stream, ConstView<float> dy, ConstView<float> w, View<float> dx) {
  conv3d::require_backward_data(dy.shape, w.shape, dx.shape);
  const auto s = conv_shape(dx.shape, w.shape, dy.shape.c, dx.shape.c);
  HWY_DYNAMIC_DISPATCH(forward)(stream, s, dy.data, {w.data, true}, nullptr, dx.data);
}

void conv3d_backward_weights(Stream& stream, ConstView<float> x, ConstView<float> dy, View<float> dw, View<float> db) {
  conv3d::require_backward_weights(x.shape, dy.shape, dw.shape, db ? &db.shape : nullptr);
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  HWY_DYNAMIC_DISPATCH(weights)(stream, s, x.data, dy.data, dw.data, db.data);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

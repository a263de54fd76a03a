// Convolution on the CPU: direct, register blocked, over channels-last rows.
//
// Strategy. A row is one line of voxels along W with all its channels, so that for a fixed (kd, kh) the taps kw and the
// input channels together are one contiguous run of Kw*Ci floats beginning at voxel w of the zero-padded row:
//
//   y[w, co] += sum_{k < Kw*Ci} row[w*Ci + k] * weights[kd][kh][k][co]
//
// - a small matrix product. The micro-kernel holds `voxels` x `vectors` accumulators in registers (voxels along W,
// vectors of output channels), broadcasts inputs and reads weights packed in the order of use. Rows outside the volume
// are left out of the sum, not multiplied by zero.
// - Work is split into planes (n, tile of H, d), dealt to threads in contiguous runs. Unless they can be read in place, the
//   input planes are copied into a ring of padded rows, which stays in the L2 cache; the prologues (normalisation, the
//   gradient through LeakyReLU, batch normalisation and pooling) are applied to each row as it is copied.
// - The epilogue runs over a plane of a tile as soon as it is complete, while it is in cache. Its sums are kept plane by
//   plane and folded in their order, so that they do not depend on the number of threads.
// - The data gradient is the same kernel with flipped and transposed weights.
// - The weight gradient keeps a block of taps x output channels in registers and runs over all voxels of a plane; each
//   thread sums its planes privately, then the sums are added in the order of the threads.
// - One output channel (the network's heads) has its own micro-kernels: lanes run over the inputs.
// - Upsampled inputs: an output voxel of each of the 8 parities sees 2x2x2 different inputs, so that 8 sets of 8 summed
//   weights replace 27 taps; the data gradient is a 4x4x4 kernel of stride 2, the weight gradient is taken by its 64 taps
//   and summed to 27 at the end. 8/27 of the flops.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/convolution.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/conv3d.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/channel_period.h"
#include "kernels/cpu/parallel.h"

#ifndef FRINGE_CPU_CONVOLUTION_ONCE
#define FRINGE_CPU_CONVOLUTION_ONCE
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
  Index tile, tiles;
};

/// How (n, H tiles, d) is cut: into pieces that depend on the shape alone.
inline Index tile_count(const ConvShape& s) {
  // Kd padded planes of a tile should take at most about half of a 1 MiB L2 cache.
  constexpr Index cache_floats = (512 << 10) / sizeof(float);
  const Index rows_in_cache = std::max<Index>(8, cache_floats / (s.kd * s.padded_row() + s.w * s.co));
  Index tiles = (s.h + rows_in_cache - 1) / rows_in_cache;
  while (s.n * s.d * tiles < 16 && 2 * tiles <= s.h) ++tiles;
  return tiles;
}

/// Cuts (n, H tiles, d) into plane runs, d fastest, and hands them to the threads in equal contiguous pieces.
/// body(thread, plane run).
template <class Body>
void for_each_plane_run(Stream& stream, const ConvShape& s, const Body& body) {
  const Index tiles = tile_count(s), columns = s.n * tiles, planes = columns * s.d;
  const Index pieces = std::min<Index>(stream.threads(), planes);
  parallel_tasks(stream, pieces, [&](Index piece) {
    Index at = planes * piece / pieces;
    const Index end = planes * (piece + 1) / pieces;
    while (at < end) {
      const Index column = at / s.d, d0 = at % s.d, d1 = std::min(s.d, d0 + end - at);
      const Index n = column / tiles, tile = column % tiles;
      body(piece, PlaneRun{n, s.h * tile / tiles, s.h * (tile + 1) / tiles, d0, d1, tile, tiles});
      at += d1 - d0;
    }
  });
}

/// A RowSource with its per-channel numbers prepared: fills rows.
struct Loader {
  const RowSource& source;
  Index period;
  const float *first = nullptr, *second = nullptr, *third = nullptr;  ///< scale and offset, or a, t, o, repeated

  static Index floats(const RowSource& s) { return s.plain() ? 0 : 3 * channel_period(s.shape.c); }
  Loader(const RowSource& s, float* memory) : source(s), period(channel_period(s.shape.c)) {
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
};

/// A row of inputs and the weights it meets.
struct RowTap {
  const float* row;
  Index tap;  ///< kd * Kh + kh
};
constexpr Index max_row_taps = 81;  // 9 x 9, the largest kernel of the CPU backend

#define FRINGE_INLINE_LAMBDA __attribute__((always_inline))

inline Index round_up(Index a, Index b) { return (a + b - 1) / b * b; }

}  // namespace fringe::cpu
#endif  // FRINGE_CPU_CONVOLUTION_ONCE

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Accumulators that fit in the registers beside the operands: 32 registers with AVX-512 and NEON, 16 with AVX2.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR
constexpr int accumulators = 8;
#else
constexpr int accumulators = 16;
#endif

// ---- rows in and out -------------------------------------------------------------------------------------------------

/// to[0 .. count) = scale * from + offset
inline void load_affine(const float* HWY_RESTRICT from, Index count, const float* HWY_RESTRICT scale,
                        const float* HWY_RESTRICT offset, Index period, float* HWY_RESTRICT to) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
#pragma GCC ivdep
    for (Index k = 0; k < length; ++k) to[i + k] = scale[k] * from[i + k] + offset[k];
  }
}

/// to = (y > 0 ? 1 : slope) * (a * dz + t * y + o); to may be dz.
inline void load_gradient(const float* dz, const float* HWY_RESTRICT y, float slope, Index count, const float* HWY_RESTRICT a,
                          const float* HWY_RESTRICT t, const float* HWY_RESTRICT o, Index period, float* to) {
  for (Index i = 0; i < count; i += period) {
    const Index length = std::min(period, count - i);
#pragma GCC ivdep
    for (Index k = 0; k < length; ++k) {
      const float g = a[k] * dz[i + k] + (t[k] * y[i + k] + o[k]);
      to[i + k] = y[i + k] > 0 ? g : slope * g;
    }
  }
}

/// A row of dz' from the half-sized row that it belongs to; `number`: 4 (d % 2) + 2 (h % 2).
template <class D>
HWY_INLINE void unpool_row(D d, const float* dz, const std::uint8_t* which, Index half_width, Index channels, int number, float* to) {
  const hn::RebindToSigned<D> numbers;
  const hn::Rebind<std::uint8_t, D> bytes;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index w = 0; w < half_width; ++w, dz += channels, which += channels, to += 2 * channels) {
    Index c = 0;
    for (; c + lanes <= channels; c += lanes) {
      const auto at = hn::PromoteTo(numbers, hn::LoadU(bytes, which + c));
      const auto g = hn::LoadU(d, dz + c);
      for (int k = 0; k < 2; ++k)
        hn::StoreU(hn::IfThenElseZero(hn::RebindMask(d, hn::Eq(at, hn::Set(numbers, number + k))), g), d, to + k * channels + c);
    }
    for (; c < channels; ++c)
      for (int k = 0; k < 2; ++k) to[k * channels + c] = which[c] == number + k ? dz[c] : 0.0F;
  }
}

/// Row (n, d, h) of the source, `width` voxels, to `to`.
inline void load_row(const Loader& l, Index n, Index d, Index h, float* to) {
  const RowSource& s = l.source;
  const Index count = s.shape.w * s.shape.c, at = ((n * s.shape.d + d) * s.shape.h + h) * count;
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

/// The input rows a plane run needs, padded with zeros on both sides along W; a ring of planes. When there is nothing to do
/// to them and no padding, these are the rows of the array itself. `lines`: rows of the source in one row here (a kernel
/// along D alone sees whole planes as rows).
class InputRows {
 public:
  /// Floats of scratch memory each thread needs, for `planes` planes of up to `rows` rows.
  static Index scratch(const RowSource& source, Index planes, Index rows, Index width, Index pad) {
    return source.plain() && pad == 0 ? 0 : round_up(planes * rows * (width + 2 * pad) * source.shape.c, 16);
  }

  /// Rows first <= h < last (cut to the array), of an array of `depth` planes of `height` rows of `width` voxels.
  InputRows(const Loader& loader, Index n, Index depth, Index height, Index width, Index planes, Index pad, Index first, Index last,
            float* ring)
      : loader_(loader), n_(n), depth_(depth), height_(height), planes_(planes), pad_(pad * loader.source.shape.c),
        length_(width * loader.source.shape.c), first_(std::max<Index>(0, first)), last_(std::min(height, last)), ring_(ring),
        lines_(width / loader.source.shape.w), direct_(loader.source.plain() && pad == 0) {
    if (direct_) return;
    for (Index r = 0; r < planes * (last_ - first_) && pad_ > 0; ++r) {
      float* row = ring_ + r * (length_ + 2 * pad_);
      std::fill(row, row + pad_, 0.0F);
      std::fill(row + pad_ + length_, row + 2 * pad_ + length_, 0.0F);
    }
  }

  /// Makes planes d0 <= d < d1 ready; called with rising d0 and d1, d1 - d0 <= planes.
  void need(Index d0, Index d1) {
    if (direct_) return;
    ready_ = std::max({ready_, d0, Index{0}});
    for (; ready_ < std::min(d1, depth_); ++ready_)
      for (Index h = first_; h < last_; ++h) {
        float* to = place(ready_, h) + pad_;
        for (Index line = 0; line < lines_; ++line) {
          const Index at = (ready_ * height_ + h) * lines_ + line;  // counted in rows of the source
          load_row(loader_, n_, at / loader_.source.shape.h, at % loader_.source.shape.h, to + line * (length_ / lines_));
        }
      }
  }

  /// The padded row, or nullptr outside the volume.
  const float* row(Index d, Index h) const {
    if (d < 0 || d >= depth_ || h < 0 || h >= height_) return nullptr;
    if (direct_) return loader_.source.x + ((n_ * depth_ + d) * height_ + h) * length_;
    return place(d, h);
  }

 private:
  float* place(Index d, Index h) const {
    return ring_ + ((d % planes_) * (last_ - first_) + h - first_) * (length_ + 2 * pad_);
  }
  const Loader& loader_;
  Index n_, depth_, height_, planes_, pad_, length_, first_, last_;
  float* ring_;
  Index lines_;
  bool direct_;
  Index ready_ = 0;
};

/// Those of a convolution.
inline Index ring_floats(const RowSource& x, const ConvShape& s) {
  return InputRows::scratch(x, s.kd, std::min(s.h, (s.h + tile_count(s) - 1) / tile_count(s) + s.kh), s.w, s.kw / 2);
}
inline InputRows input_rows(const Loader& loader, const ConvShape& s, const PlaneRun& run, float* ring) {
  return {loader, run.n, s.d, s.h, s.w, s.kd, s.kw / 2, run.h0 - s.kh / 2, run.h1 + s.kh / 2, ring};
}

/// Lists the input rows that reach output row (d, h); returns how many.
inline int row_taps(const ConvShape& s, const InputRows& rows, Index d, Index h, RowTap* taps) {
  int count = 0;
  for (Index i = 0; i < s.kd; ++i)
    for (Index j = 0; j < s.kh; ++j)
      if (const float* row = rows.row(d + i - s.kd / 2, h + j - s.kh / 2)) taps[count++] = {row, i * s.kh + j};
  return count;
}

/// The epilogue's work on one block of rows, and its sums: 2 C doubles for each of `pieces` pieces.
class EpilogueSums {
 public:
  static Index floats(const Epilogue& e, Index channels, Index pieces) {
    return e.statistics || e.daffine ? 2 * pieces * 2 * channels + 2 * pieces + 6 * channel_period(channels) : 0;
  }
  /// memory: 16-byte aligned.
  EpilogueSums(const Epilogue& e, Index channels, Index pieces, float* memory)
      : e_(e), channels_(channels), pieces_(pieces), period_(channel_period(channels)), sums_(reinterpret_cast<double*>(memory)),
        counts_(sums_ + pieces * 2 * channels), centre_(reinterpret_cast<float*>(counts_ + pieces)) {
    if (e_.daffine)
      for (Index k = 0; k < period_; ++k) centre_[k] = e_.affine[channels_ + k % channels_];
    if (active()) std::fill(counts_, counts_ + pieces_, 0.0);
  }
  bool active() const { return e_.statistics || e_.daffine; }

  /// `count` floats of the result at y, whose place in the array is `at`, all of them piece `piece`, in one call or several.
  void rows(Index piece, float* y, Index at, Index count) {
    if (e_.slope != 1) {
      const float slope = e_.slope;
#pragma GCC ivdep
      for (Index i = 0; i < count; ++i) y[i] = y[i] > 0 ? y[i] : slope * y[i];
    }
    if (!active()) return;
    double* sums = sums_ + piece * 2 * channels_;
    alignas(64) float a[max_period], b[max_period], shift[max_period];
    const Index period = period_;
    std::fill(a, a + period, 0.0F);
    std::fill(b, b + period, 0.0F);
    if (e_.statistics) {
      for (Index k = 0; k < period; ++k) shift[k] = y[k % channels_];
      for (Index i = 0; i < count; i += period) {
        const Index length = std::min(period, count - i);
#pragma GCC ivdep
        for (Index k = 0; k < length; ++k) {
          const float v = y[i + k] - shift[k];
          a[k] += v;
          b[k] += v * v;
        }
      }
    } else {
      const float* HWY_RESTRICT m = e_.moment + at;
      const float* HWY_RESTRICT centre = centre_;
      for (Index i = 0; i < count; i += period) {
        const Index length = std::min(period, count - i);
#pragma GCC ivdep
        for (Index k = 0; k < length; ++k) {
          a[k] += y[i + k];
          b[k] += y[i + k] * (m[i + k] - centre[k]);
        }
      }
    }
    if (counts_[piece] == 0) std::fill(sums, sums + 2 * channels_, 0.0);
    const double before = counts_[piece], n = static_cast<double>(count / channels_);
    for (Index c = 0; c < channels_; ++c) {
      double s = 0, q = 0;
      for (Index k = c; k < period; k += channels_) s += static_cast<double>(a[k]), q += static_cast<double>(b[k]);
      if (e_.statistics)
        merge(sums + c, before, s / n + static_cast<double>(shift[c]), std::max(0.0, q - s * s / n), n);
      else
        sums[c] += s, sums[channels_ + c] += q;
    }
    counts_[piece] = before + n;
  }

  /// After all pieces: writes the results.
  void finish() {
    if (!active()) return;
    for (Index c = 0; c < channels_; ++c) {
      double total[2] = {}, n = 0;
      double* t = total;
      for (Index p = 0; p < pieces_; ++p) {
        const double *s = sums_ + p * 2 * channels_ + c, m = counts_[p];
        if (m == 0) continue;
        if (e_.statistics) {
          const double step = s[0] - t[0], all = n + m;
          t[0] += step * m / all;
          t[1] += s[channels_] + step * step * n * m / all;
          n = all;
        } else {
          t[0] += s[0], t[1] += s[channels_];
        }
      }
      if (e_.statistics) {
        e_.statistics[c] = static_cast<float>(t[0]);
        e_.statistics[channels_ + c] = static_cast<float>(t[1] / n);
      } else {
        e_.daffine[c] = static_cast<float>(t[1]);
        e_.daffine[channels_ + c] = static_cast<float>(-static_cast<double>(e_.affine[c]) * t[0]);
        e_.daffine[2 * channels_ + c] = static_cast<float>(t[0]);
      }
    }
  }

 private:
  /// Mean and sum of squares about it, of `n0` values in sums and `n1` more (Chan, Golub, LeVeque 1979).
  void merge(double* sums, double n0, double mean, double squares, double n1) const {
    const double step = mean - sums[0], all = n0 + n1;
    sums[0] += step * n1 / all;
    sums[channels_] += squares + step * step * n0 * n1 / all;
  }
  const Epilogue& e_;
  Index channels_, pieces_, period_;
  double *sums_, *counts_;
  float* centre_;
};

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

/// Scratch memory of one call, handed out in aligned pieces.
class Pieces {
 public:
  explicit Pieces(float* memory) : at_(memory) {}
  float* take(Index floats) { return std::exchange(at_, at_ + round_up(floats, 16)); }

 private:
  float* at_;
};

/// What all forward kernels share: scratch memory, the loop over planes, the input rows, the epilogue.
/// row(thread's rows, plane, h, output row).
template <class Prepare, class Row>
void forward_rows(Stream& stream, const ConvShape& s, Index row_step, const RowSource& x, float* y, const Epilogue& e,
                  Index weight_floats, const Prepare& prepare, const Row& row) {
  ConvShape split = s;
  split.h /= row_step;  // threads and tiles divide groups of rows
  const Index tiles = tile_count(split), pieces = s.n * tiles * s.d;
  const Index ring = InputRows::scratch(x, s.kd, std::min(s.h, ((split.h + tiles - 1) / tiles + 1) * row_step + s.kh), s.w, s.kw / 2);
  Pieces memory(stream.scratch<float>(round_up(weight_floats, 16) + round_up(Loader::floats(x), 16) +
                                      round_up(EpilogueSums::floats(e, s.co, pieces), 16) + stream.threads() * ring));
  float* weights = memory.take(weight_floats);
  const Loader loader(x, memory.take(Loader::floats(x)));
  EpilogueSums sums(e, s.co, pieces, memory.take(EpilogueSums::floats(e, s.co, pieces)));
  float* rings = memory.take(stream.threads() * ring);
  prepare(weights);
  for_each_plane_run(stream, split, [&](Index thread, PlaneRun run) {
    run.h0 *= row_step, run.h1 *= row_step;
    InputRows rows = input_rows(loader, s, run, rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(plane - s.kd / 2, plane + s.kd / 2 + 1);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      row(rows, weights, plane, run.h0, run.h1, y + at);
      sums.rows((run.n * tiles + run.tile) * s.d + plane, y + at, at, (run.h1 - run.h0) * s.w * s.co);
    }
  });
  sums.finish();
}

template <int Vectors, int Ci, class D>
void forward_planes_of(D d, Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                       float* y, const Epilogue& e) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  const Index blocks = (s.co + block - 1) / block, weight_floats = round_up(blocks * s.taps() * block, 16);
  const auto prepare = [&](float* packed) {
    pack_weights<Vectors>(d, stream, s, source, packed);
    std::fill(packed + weight_floats, packed + weight_floats + blocks * block, 0.0F);
    if (bias) std::copy(bias, bias + s.co, packed + weight_floats);
  };
  forward_rows(stream, s, 1, x, y, e, weight_floats + blocks * block, prepare,
               [&](const InputRows& rows, const float* packed, Index plane, Index h0, Index h1, float* out) {
                 RowTap taps[max_row_taps];
                 for (Index b = 0; b < blocks; ++b)
                   for (Index h = h0; h < h1; ++h) {
                     const int count = row_taps(s, rows, plane, h, taps);
                     forward_row<Vectors, Ci>(d, {s.w, s.ci, s.run(), out + (h - h0) * s.w * s.co + b * block, s.co,
                                                  std::min(block, s.co - b * block)},
                                              taps, count, packed + b * s.taps() * block, packed + weight_floats + b * block);
                   }
               });
}

/// The widths of networks get kernels of their own.
template <int Vectors, class D>
void forward_planes(D d, Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                    float* y, const Epilogue& e) {
  switch (s.ci) {
    case 8: return forward_planes_of<Vectors, 8>(d, stream, s, x, source, bias, y, e);
    case 16: return forward_planes_of<Vectors, 16>(d, stream, s, x, source, bias, y, e);
    case 32: return forward_planes_of<Vectors, 32>(d, stream, s, x, source, bias, y, e);
    case 64: return forward_planes_of<Vectors, 64>(d, stream, s, x, source, bias, y, e);
    case 128: return forward_planes_of<Vectors, 128>(d, stream, s, x, source, bias, y, e);
    default: return forward_planes_of<Vectors, 0>(d, stream, s, x, source, bias, y, e);
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
void forward_pairs_of(D d, Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                      float* y, const Epilogue& e) {
  constexpr Index co = 8, lanes = 16;
  constexpr bool along_w = P == Pair::along_w;
  const hn::CappedTag<float, 8> eight;
  // Along w: kd*kh row taps, each a run of (kw+1)*ci; along h: kh+1 row taps, each a run of ci.
  const Index run = (along_w ? s.kw + 1 : 1) * s.ci, row_tap_count = along_w ? s.kd * s.kh : s.kh + 1;
  const Index pair_floats = row_tap_count * run * lanes;
  const auto prepare = [&](float* packed) {
    float *packed_bias = packed + pair_floats, *plain = packed_bias + lanes;
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
  };
  forward_rows(stream, s, along_w ? 1 : 2, x, y, e, pair_floats + lanes + s.taps() * co, prepare,
               [&](const InputRows& rows, const float* packed, Index plane, Index h0, Index h1, float* to) {
                 RowTap taps[max_row_taps];
                 for (Index h = h0; h < h1; h += along_w ? 1 : 2) {
                   float* out = to + (h - h0) * s.w * co;
                   if constexpr (along_w) {
                     const int count = row_taps(s, rows, plane, h, taps);
                     forward_row<1, Step>(d, {s.w / 2, 2 * s.ci, run, out, 2 * co, lanes}, taps, count, packed,
                                          packed + pair_floats);
                   } else {
                     int count = 0;
                     for (Index j = 0; j <= s.kh; ++j)
                       if (const float* row = rows.row(plane, h + j - s.kh / 2)) taps[count++] = {row, j};
                     forward_row<1, Step>(d, {s.w, s.ci, run, out, co, co, out + s.w * co}, taps, count, packed,
                                          packed + pair_floats);
                   }
                 }
               });
}

/// True when it has been done.
template <class D>
bool forward_pairs(D d, Stream& stream, ConvShape s, const RowSource& x, WeightSource source, const float* bias, float* y,
                   const Epilogue& e) {
  if constexpr (hn::MaxLanes(D()) != 16) return false;
  if (s.co != 8) return false;
  if (s.kw > 1 && s.w % 2 == 0) {
    switch (s.ci) {
      case 1: forward_pairs_of<Pair::along_w, 2>(d, stream, s, x, source, bias, y, e); break;
      case 8: forward_pairs_of<Pair::along_w, 16>(d, stream, s, x, source, bias, y, e); break;
      case 16: forward_pairs_of<Pair::along_w, 32>(d, stream, s, x, source, bias, y, e); break;
      default: forward_pairs_of<Pair::along_w, 0>(d, stream, s, x, source, bias, y, e);
    }
    return true;
  }
  // K x 1 x 1 is 1 x K x 1 on an array whose rows are whole planes.
  if (s.kw == 1 && s.kh == 1 && s.kd > 1) s = {s.n, 1, s.d, s.h * s.w, s.ci, s.co, 1, s.kd, 1};
  if (s.kw == 1 && s.kd == 1 && s.kh > 1 && s.h % 2 == 0) {
    if (s.ci == 8)
      forward_pairs_of<Pair::along_h, 8>(d, stream, s, x, source, bias, y, e);
    else
      forward_pairs_of<Pair::along_h, 0>(d, stream, s, x, source, bias, y, e);
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
void forward_single(D d, Stream& stream, const ConvShape& s, const RowSource& x, const float* w, float bias, float* y,
                    const Epilogue& e) {
  forward_rows(stream, s, 1, x, y, e, 0, [](float*) {},
               [&](const InputRows& rows, const float*, Index plane, Index h0, Index h1, float* to) {
                 RowTap taps[max_row_taps];
                 for (Index h = h0; h < h1; ++h) {
                   const int count = row_taps(s, rows, plane, h, taps);
                   float* out = to + (h - h0) * s.w;
                   Index v = 0;
                   for (; v + 8 <= s.w; v += 8) dot_block<8>(d, taps, count, s.ci, s.run(), v, w, bias, out + v);
                   for (; v < s.w; ++v) dot_block<1>(d, taps, count, s.ci, s.run(), v, w, bias, out + v);
                 }
               });
}

void forward(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource w, const float* bias, float* y,
             const Epilogue& e) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  constexpr Index lanes = hn::MaxLanes(widest);
  if (s.co == 1 && !w.flipped && s.ci >= 8) return forward_single(eight, stream, s, x, w.w, bias ? *bias : 0, y, e);
  if (forward_pairs(widest, stream, s, x, w, bias, y, e)) return;
  if (s.co <= 8) return forward_planes<1>(eight, stream, s, x, w, bias, y, e);
  if (s.co <= lanes) return forward_planes<1>(widest, stream, s, x, w, bias, y, e);
  forward_planes<2>(widest, stream, s, x, w, bias, y, e);
}

// ---- weight gradient -----------------------------------------------------------------------------------------------

/// Adds to dw[k][o] (k0 <= k < k0+Taps, one or two vectors of o) the sum over the voxels of rows h0..h1 of one plane.
template <int Taps, int Vectors, class D>
HWY_INLINE void weights_block(D d, const RowTap* rows, const float* const* dys, int count, Index w, Index ci, Index co,
                              Index dy_step, Index k0, float* HWY_RESTRICT dw, Index valid) {
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
      for (Index v = 0; v < w; ++v, x += ci, dy += dy_step) {
        unrolled<Vectors>([&](auto c) HWY_ATTR FRINGE_INLINE_LAMBDA { g[c] = hn::LoadU(d, dy + c * lanes); });
        add_voxel(x, g);
      }
    } else {
      for (Index v = 0; v < w; ++v, x += ci, dy += dy_step) {
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
HWY_INLINE void weights_run(D d, const RowTap* rows, const float* const* dys, int count, Index w, Index ci, Index run, Index co,
                            Index dy_step, float* dw, Index valid) {
  constexpr int Large = accumulators * 3 / 2 / Vectors;  // 24 accumulators of 32 registers, 12 of 16
  Index k = 0;
  for (; k + Large <= run; k += Large) weights_block<Large, Vectors>(d, rows, dys, count, w, ci, co, dy_step, k, dw, valid);
  if constexpr (Large > 16)
    for (; k + 16 <= run; k += 16) weights_block<16, Vectors>(d, rows, dys, count, w, ci, co, dy_step, k, dw, valid);
  for (; k + 8 <= run; k += 8) weights_block<8, Vectors>(d, rows, dys, count, w, ci, co, dy_step, k, dw, valid);
  for (; k + 3 <= run; k += 3) weights_block<3, Vectors>(d, rows, dys, count, w, ci, co, dy_step, k, dw, valid);
  for (; k < run; ++k) weights_block<1, Vectors>(d, rows, dys, count, w, ci, co, dy_step, k, dw, valid);
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

/// What all weight gradients share: private sums of every thread, input rows, the gradient's rows, the loop over planes.
/// plane(rows, dy of rows h0 .. h1 of the plane, d, h0, h1, this thread's sums).
template <class D, class Plane>
void weights_rows(D d, Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, float* dw, float* db,
                  const Plane& plane) {
  const Index weight_floats = s.taps() * s.co, sum_floats = round_up(weight_floats + s.co, 16);
  const Index ring = ring_floats(x, s), rows_of_tile = std::min(s.h, (s.h + tile_count(s) - 1) / tile_count(s));
  const Index dy_floats = dy.plain() ? 0 : round_up(rows_of_tile * s.w * s.co, 16);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      stream.threads() * (sum_floats + ring + dy_floats)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float* sums = memory.take(stream.threads() * sum_floats);
  float* rings = memory.take(stream.threads() * ring);
  float* gradients = memory.take(stream.threads() * dy_floats);
  std::fill(sums, sums + stream.threads() * sum_floats, 0.0F);
  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    float* my_sums = sums + thread * sum_floats;
    InputRows rows = input_rows(x_loader, s, run, rings + thread * ring);
    for (Index p = run.d0; p < run.d1; ++p) {
      rows.need(p - s.kd / 2, p + s.kd / 2 + 1);
      const float* g = dy.x + ((run.n * s.d + p) * s.h + run.h0) * s.w * s.co;
      if (!dy.plain()) {
        float* mine = gradients + thread * dy_floats;
        for (Index h = run.h0; h < run.h1; ++h) load_row(dy_loader, run.n, p, h, mine + (h - run.h0) * s.w * s.co);
        g = mine;
      }
      if (db) sum_channels(d, g, (run.h1 - run.h0) * s.w, s.co, my_sums + weight_floats);
      plane(rows, g, p, run.h0, run.h1, my_sums);
    }
  });
  fold_weight_sums(stream, s, sums, sum_floats, weight_floats, dw, db);
}

template <int Vectors, class D>
void weights_planes(D d, Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, float* dw, float* db) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  constexpr int max_rows = 64;  // rows of a plane gathered before their taps are run over
  weights_rows(d, stream, s, x, dy, dw, db, [&](const InputRows& rows, const float* g, Index plane, Index h_begin, Index h_end, float* my_dw) {
    for (Index h0 = h_begin; h0 < h_end; h0 += max_rows) {
      const Index h1 = std::min(h_end, h0 + max_rows);
      for (Index i = 0; i < s.kd; ++i)
        for (Index j = 0; j < s.kh; ++j) {
          RowTap in[max_rows];
          const float* out[max_rows];
          int count = 0;
          for (Index h = h0; h < h1; ++h)
            if (const float* row = rows.row(plane + i - s.kd / 2, h + j - s.kh / 2)) {
              in[count] = {row, 0};
              out[count++] = g + (h - h_begin) * s.w * s.co;
            }
          float* dw_tap = my_dw + (i * s.kh + j) * s.run() * s.co;
          if (s.co == 1) {
            weights_single(d, in, out, count, s, dw_tap);
            continue;
          }
          for (Index o = 0; o < s.co; o += block) {
            const float* out_block[max_rows];
            for (int r = 0; r < count; ++r) out_block[r] = out[r] + o;
            weights_run<Vectors>(d, in, out_block, count, s.w, s.ci, s.run(), s.co, s.co, dw_tap + o, std::min(block, s.co - o));
          }
        }
    }
  });
}

/// One input channel, 3x3x3: all 27 taps stay in registers, so that dy is read once. Rows outside the volume are zeros.
template <class D>
void weights_first_layer(D d, Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, float* dw, float* db) {
  using V = hn::Vec<D>;
  constexpr Index lanes = hn::MaxLanes(D());
  constexpr Index taps = 27;
  alignas(64) static constexpr float zeros[4096] = {};
  weights_rows(d, stream, s, x, dy, dw, db, [&](const InputRows& rows, const float* dy_rows, Index plane, Index h0, Index h1, float* my_dw) {
    for (Index o = 0; o < s.co; o += lanes) {
      V sum[taps];
      unrolled<taps>([&](auto t) HWY_ATTR FRINGE_INLINE_LAMBDA { sum[t] = hn::Zero(d); });
      for (Index h = h0; h < h1; ++h) {
        const float* row[9];
        for (Index r = 0; r < 9; ++r) {
          row[r] = rows.row(plane + r / 3 - 1, h + r % 3 - 1);
          if (row[r] == nullptr) row[r] = zeros;
        }
        const float* HWY_RESTRICT g = dy_rows + (h - h0) * s.w * s.co + o;
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
  });
}

void weights(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, float* dw, float* db) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  constexpr Index lanes = hn::MaxLanes(widest);
  if (accumulators == 16 && s.ci == 1 && s.kd == 3 && s.kh == 3 && s.kw == 3 && s.w <= 4000) {  // 27 sums need 32 registers
    if (s.co == 8) return weights_first_layer(eight, stream, s, x, dy, dw, db);
    if (s.co % lanes == 0) return weights_first_layer(widest, stream, s, x, dy, dw, db);
  }
  if (s.co <= 8) return weights_planes<1>(eight, stream, s, x, dy, dw, db);
  if (s.co <= lanes) return weights_planes<1>(widest, stream, s, x, dy, dw, db);
  weights_planes<2>(widest, stream, s, x, dy, dw, db);
}

// ---- upsampled -----------------------------------------------------------------------------------------------------

/// Along one axis, the weights that meet inputs i-1 + parity + m (m = 0, 1) of output 2i + parity: bit masks of the taps 0, 1, 2.
constexpr int parity_taps[2][2] = {{0b001, 0b110}, {0b011, 0b100}};
/// The weights by which input i meets outputs 2i-1 + m, m = 0 .. 3.
constexpr int stride_taps[4] = {0b100, 0b110, 0b011, 0b001};

/// The sum of w over the taps in the three masks, for input channel c and output channel o.
inline float summed_weight(const float* w, Index ci, Index co, int md, int mh, int mw, Index c, Index o) {
  float sum = 0;
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 3; ++k)
        if ((md >> i & 1) && (mh >> j & 1) && (mw >> k & 1)) sum += w[(((i * 3 + j) * 3 + k) * ci + c) * co + o];
  return sum;
}

/// s: extents of the small array.
template <int Vectors, class D>
void upsampled_forward(D d, Stream& stream, const ConvShape& s, const RowSource& x, const float* w, const float* bias, float* y,
                       const Epilogue& e) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  const Index blocks = (s.co + block - 1) / block, set = 8 * s.ci * block;  // weights of one parity and block
  const Index weight_floats = 8 * blocks * set, tiles = tile_count(s), pieces = s.n * tiles * s.d, ring = ring_floats(x, s);
  Pieces memory(stream.scratch<float>(weight_floats + round_up(blocks * block, 16) + round_up(Loader::floats(x), 16) +
                                      round_up(EpilogueSums::floats(e, s.co, pieces), 16) + stream.threads() * ring));
  float *packed = memory.take(weight_floats), *packed_bias = memory.take(blocks * block);
  const Loader loader(x, memory.take(Loader::floats(x)));
  EpilogueSums sums(e, s.co, pieces, memory.take(EpilogueSums::floats(e, s.co, pieces)));
  float* rings = memory.take(stream.threads() * ring);
  parallel_tasks(stream, 8 * blocks * 8, [&](Index task) {
    const Index parity = task / 8 / blocks, b = task / 8 % blocks, tap = task % 8;
    const int md = parity_taps[parity / 4][tap / 4], mh = parity_taps[parity / 2 % 2][tap / 2 % 2], mw = parity_taps[parity % 2][tap % 2];
    float* to = packed + (parity * blocks + b) * set + tap * s.ci * block;
    for (Index c = 0; c < s.ci; ++c)
      for (Index o = 0; o < block; ++o)
        to[c * block + o] = b * block + o < s.co ? summed_weight(w, s.ci, s.co, md, mh, mw, c, b * block + o) : 0.0F;
  });
  std::fill(packed_bias, packed_bias + blocks * block, 0.0F);
  std::copy(bias, bias + s.co, packed_bias);
  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    InputRows rows = input_rows(loader, s, run, rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(plane - 1, plane + 2);
      for (Index pd = 0; pd < 2; ++pd) {
        const Index row_floats = 2 * s.w * s.co, at = ((run.n * s.d * 2 + 2 * plane + pd) * 2 * s.h + 2 * run.h0) * row_floats;
        for (Index b = 0; b < blocks; ++b)
          for (Index h = run.h0; h < run.h1; ++h)
            for (Index ph = 0; ph < 2; ++ph)
              for (Index pw = 0; pw < 2; ++pw) {
                RowTap taps[4];
                int count = 0;
                for (Index t = 0; t < 4; ++t)
                  if (const float* row = rows.row(plane - 1 + pd + t / 2, h - 1 + ph + t % 2)) taps[count++] = {row + pw * s.ci, t};
                float* out = y + at + (2 * (h - run.h0) + ph) * row_floats + pw * s.co + b * block;
                forward_row<Vectors, 0>(d, {s.w, s.ci, 2 * s.ci, out, 2 * s.co, std::min(block, s.co - b * block)}, taps, count,
                                        packed + ((pd * 4 + ph * 2 + pw) * blocks + b) * set, packed_bias + b * block);
              }
        sums.rows((run.n * tiles + run.tile) * s.d + plane, y + at, at, 2 * (run.h1 - run.h0) * row_floats);
      }
    }
  });
  sums.finish();
}

/// s: extents of the small array, ci: channels of the gradient, co: of dx. w is (3,3,3,co,ci).
template <int Vectors, class D>
void upsampled_data(D d, Stream& stream, const ConvShape& s, const RowSource& g, const float* w, float* dx, const Epilogue& e) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  const Index blocks = (s.co + block - 1) / block, set = 64 * s.ci * block, weight_floats = blocks * set;
  ConvShape split = s;
  split.w *= 8;  // the rows that a small row needs
  const Index tiles = tile_count(split), pieces = s.n * tiles * s.d;
  const Index ring = InputRows::scratch(g, 4, std::min(2 * s.h, 2 * ((s.h + tiles - 1) / tiles) + 2), 2 * s.w, 1);
  Pieces memory(stream.scratch<float>(weight_floats + round_up(blocks * block, 16) + round_up(Loader::floats(g), 16) +
                                      round_up(EpilogueSums::floats(e, s.co, pieces), 16) + stream.threads() * ring));
  float *packed = memory.take(weight_floats), *no_bias = memory.take(blocks * block);
  const Loader loader(g, memory.take(Loader::floats(g)));
  EpilogueSums sums(e, s.co, pieces, memory.take(EpilogueSums::floats(e, s.co, pieces)));
  float* rings = memory.take(stream.threads() * ring);
  parallel_tasks(stream, blocks * 64, [&](Index task) {
    const Index b = task / 64, tap = task % 64;
    const int md = stride_taps[tap / 16], mh = stride_taps[tap / 4 % 4], mw = stride_taps[tap % 4];
    float* to = packed + b * set + tap * s.ci * block;
    for (Index c = 0; c < s.ci; ++c)
      for (Index o = 0; o < block; ++o)
        to[c * block + o] = b * block + o < s.co ? summed_weight(w, s.co, s.ci, md, mh, mw, b * block + o, c) : 0.0F;
  });
  std::fill(no_bias, no_bias + blocks * block, 0.0F);
  for_each_plane_run(stream, split, [&](Index thread, const PlaneRun& run) {
    InputRows rows(loader, run.n, 2 * s.d, 2 * s.h, 2 * s.w, 4, 1, 2 * run.h0 - 1, 2 * run.h1 + 1, rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(2 * plane - 1, 2 * plane + 3);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      for (Index b = 0; b < blocks; ++b)
        for (Index h = run.h0; h < run.h1; ++h) {
          RowTap taps[16];
          int count = 0;
          for (Index t = 0; t < 16; ++t)
            if (const float* row = rows.row(2 * plane - 1 + t / 4, 2 * h - 1 + t % 4)) taps[count++] = {row, t};
          forward_row<Vectors, 0>(d, {s.w, 2 * s.ci, 4 * s.ci, dx + at + (h - run.h0) * s.w * s.co + b * block, s.co,
                                      std::min(block, s.co - b * block)},
                                  taps, count, packed + b * set, no_bias);
        }
      sums.rows((run.n * tiles + run.tile) * s.d + plane, dx + at, at, (run.h1 - run.h0) * s.w * s.co);
    }
  });
  sums.finish();
}

/// s: extents of the small array.
template <int Vectors, class D>
void upsampled_weights(D d, Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& g, float* dw, float* db) {
  constexpr Index block = Vectors * static_cast<Index>(hn::MaxLanes(D()));
  constexpr int max_rows = 64;
  const Index tap_floats = s.ci * s.co, sum_floats = round_up(64 * tap_floats + s.co, 16);
  ConvShape split = s;
  split.w *= 8, split.ci = s.co;
  const Index tiles = tile_count(split);
  const Index ring = InputRows::scratch(g, 4, std::min(2 * s.h, 2 * ((s.h + tiles - 1) / tiles) + 2), 2 * s.w, 1);
  const Index x_ring = InputRows::scratch(x, 1, s.h, s.w, 0);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(g), 16) +
                                      stream.threads() * (sum_floats + ring + x_ring)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), g_loader(g, memory.take(Loader::floats(g)));
  float* sums = memory.take(stream.threads() * sum_floats);
  float* rings = memory.take(stream.threads() * ring);
  float* x_rings = memory.take(stream.threads() * x_ring);
  std::fill(sums, sums + stream.threads() * sum_floats, 0.0F);
  for_each_plane_run(stream, split, [&](Index thread, const PlaneRun& run) {
    float* mine = sums + thread * sum_floats;
    InputRows rows(g_loader, run.n, 2 * s.d, 2 * s.h, 2 * s.w, 4, 1, 2 * run.h0 - 1, 2 * run.h1 + 1, rings + thread * ring);
    InputRows inputs(x_loader, run.n, s.d, s.h, s.w, 1, 0, run.h0, run.h1, x_rings + thread * x_ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(2 * plane - 1, 2 * plane + 3);
      inputs.need(plane, plane + 1);
      if (db)
        for (Index p = 2 * plane; p < 2 * plane + 2; ++p)
          for (Index h = 2 * run.h0; h < 2 * run.h1; ++h)
            sum_channels(d, rows.row(p, h) + s.co, 2 * s.w, s.co, mine + 64 * tap_floats);
      for (Index h0 = run.h0; h0 < run.h1; h0 += max_rows)
        for (Index t = 0; t < 16; ++t) {
          RowTap in[max_rows];
          const float* out[max_rows];
          int count = 0;
          for (Index h = h0; h < std::min(run.h1, h0 + max_rows); ++h)
            if (const float* row = rows.row(2 * plane - 1 + t / 4, 2 * h - 1 + t % 4)) {
              in[count] = {inputs.row(plane, h), 0};
              out[count++] = row;
            }
          for (Index m = 0; m < 4; ++m)
            for (Index o = 0; o < s.co; o += block) {
              const float* out_block[max_rows];
              for (int r = 0; r < count; ++r) out_block[r] = out[r] + m * s.co + o;
              weights_run<Vectors>(d, in, out_block, count, s.w, s.ci, s.ci, s.co, 2 * s.co, mine + (t * 4 + m) * tap_floats + o,
                                   std::min(block, s.co - o));
            }
        }
    }
  });
  // Over the threads in their order, then from the 64 sums to the 27 taps.
  parallel_tasks(stream, 27, [&](Index tap) {
    float* to = dw + tap * tap_floats;
    std::fill(to, to + tap_floats, 0.0F);
    for (Index m = 0; m < 64; ++m) {
      if (!(stride_taps[m / 16] >> (tap / 9) & 1) || !(stride_taps[m / 4 % 4] >> (tap / 3 % 3) & 1) ||
          !(stride_taps[m % 4] >> (tap % 3) & 1))
        continue;
      for (int t = 0; t < stream.threads(); ++t) {
        const float* from = sums + t * sum_floats + m * tap_floats;
        for (Index i = 0; i < tap_floats; ++i) to[i] += from[i];
      }
    }
  });
  for (Index o = 0; db && o < s.co; ++o) {
    db[o] = 0;
    for (int t = 0; t < stream.threads(); ++t) db[o] += sums[t * sum_floats + 64 * tap_floats + o];
  }
}

/// run(tag, vectors as a constant) with the register blocking for `co` output channels.
template <class F>
HWY_INLINE void with_blocking(Index co, const F& run) {
  const hn::ScalableTag<float> widest;
  const hn::CappedTag<float, 8> eight;
  constexpr Index lanes = hn::MaxLanes(widest);
  if (co <= 8) return run(eight, std::integral_constant<int, 1>{});
  if (co <= lanes) return run(widest, std::integral_constant<int, 1>{});
  run(widest, std::integral_constant<int, 2>{});
}

void forward_upsampled(Stream& stream, const ConvShape& s, const RowSource& x, const float* w, const float* bias, float* y,
                       const Epilogue& e) {
  with_blocking(s.co, [&](auto d, auto vectors) { upsampled_forward<vectors>(d, stream, s, x, w, bias, y, e); });
}
void data_upsampled(Stream& stream, const ConvShape& s, const RowSource& g, const float* w, float* dx, const Epilogue& e) {
  with_blocking(s.co, [&](auto d, auto vectors) { upsampled_data<vectors>(d, stream, s, g, w, dx, e); });
}
void weights_upsampled(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& g, float* dw, float* db) {
  with_blocking(s.co, [&](auto d, auto vectors) { upsampled_weights<vectors>(d, stream, s, x, g, dw, db); });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {

namespace {
HWY_EXPORT(forward);
HWY_EXPORT(weights);
HWY_EXPORT(forward_upsampled);
HWY_EXPORT(data_upsampled);
HWY_EXPORT(weights_upsampled);

/// Extents of the array x, kernel w.
ConvShape conv_shape(const Shape& x, const Shape& w, Index ci, Index co) {
  require(w.n * w.d <= max_row_taps, "conv3d: kernels on the CPU have at most {} taps over D and H, weights have shape {}",
          max_row_taps, w.str());
  return {x.n, x.d, x.h, x.w, ci, co, w.n, w.d, w.h};
}

void require_channels(Index channels, const Epilogue& e) {
  require((e.statistics == nullptr && e.daffine == nullptr) || channel_period(channels) <= max_period,
          "conv3d: fused on the CPU takes at most {} channels, there are {}", max_period, channels);
}
}  // namespace

void convolve(Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b, View<float> y,
              const Epilogue& epilogue) {
  require_channels(y.shape.c, epilogue);
  const auto s = conv_shape(y.shape, w.shape, x.shape.c, y.shape.c);
  HWY_DYNAMIC_DISPATCH(forward)(stream, s, x, {w.data, transposed}, b, y.data, epilogue);
}

void convolve_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  HWY_DYNAMIC_DISPATCH(weights)(stream, s, x, dy, dw.data, db);
}

void convolve_upsampled(Stream& stream, const RowSource& x, ConstView<float> w, const float* b, View<float> y,
                        const Epilogue& epilogue) {
  require_channels(y.shape.c, epilogue);
  const auto s = conv_shape(x.shape, w.shape, x.shape.c, y.shape.c);
  HWY_DYNAMIC_DISPATCH(forward_upsampled)(stream, s, x, w.data, b, y.data, epilogue);
}

void convolve_upsampled_data(Stream& stream, const RowSource& dy, ConstView<float> w, View<float> dx, const Epilogue& epilogue) {
  require_channels(dx.shape.c, epilogue);
  const auto s = conv_shape(dx.shape, w.shape, dy.shape.c, dx.shape.c);
  HWY_DYNAMIC_DISPATCH(data_upsampled)(stream, s, dy, w.data, dx.data, epilogue);
}

void convolve_upsampled_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  HWY_DYNAMIC_DISPATCH(weights_upsampled)(stream, s, x, dy, dw.data, db);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

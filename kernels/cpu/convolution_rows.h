// The rows of an operand as the convolutions see them: copied into a ring that stays in the L2 cache, padded with zeros
// along W, with the prologue applied (normalisation, or the gradient through LeakyReLU, batch normalisation and
// pooling).
#pragma once
#include "kernels/cpu/channel_period.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/convolution_shape.h"
#include "kernels/cpu/convolution_tiles.h"

namespace fringe::cpu {

/// A RowSource with its per-channel numbers prepared: fills rows.
struct Loader {
  const RowSource& source;
  Index period;
  const float *first = nullptr, *second = nullptr, *third = nullptr;  ///< scale and offset, or a, t, o, repeated

  static Index floats(const RowSource& s) { return s.plain() ? 0 : 3 * channel_period(s.shape.c); }
  Loader(const RowSource& s, float* memory);
};

/// Row (n, d, h) of the source to `to`.
void load_row(const Loader& loader, Index n, Index d, Index h, float* to);

/// Asks for `count` floats from `p` on to be in the L2 cache soon.
inline void prefetch(const float* p, Index count) {
  constexpr Index line = 16;
  for (Index i = 0; i < count; i += line) __builtin_prefetch(p + i, 0, 2);
}
/// The same for what load_row(loader, n, d, h) will read.
inline void prefetch_row(const Loader& l, Index n, Index d, Index h) {
  const RowSource& s = l.source;
  if (d >= s.shape.d || h >= s.shape.h) return;
  const Index count = s.shape.w * s.shape.c, at = ((n * s.shape.d + d) * s.shape.h + h) * count;
  if (s.packed) return prefetch(reinterpret_cast<const float*>(s.packed + at), count / 2);
  if (s.y) prefetch(s.y + at, count);
  if (s.which == nullptr) return prefetch(s.x + at, count);
  const Index half = ((n * (s.shape.d / 2) + d / 2) * (s.shape.h / 2) + h / 2) * (count / 2);
  prefetch(s.x + half, count / 2);
}

/// The input rows a plane run needs, padded with zeros on both sides along W; a ring of planes, of floats or of
/// bfloat16. When there is nothing to do to them and no padding, these are the rows of the array itself. `lines`: rows
/// of the source in one row here (a kernel along D alone sees whole planes as rows).
template <class E>
class InputRows {
 public:
  /// Floats of scratch memory each thread needs, for `planes` planes of up to `rows` rows.
  static Index scratch(const RowSource& source, Index planes, Index rows, Index width, Index pad) {
    if (direct(source, pad)) return 0;
    return line_floats(source) +
           round_up(ring_size(source, planes, rows, width, pad) * Index{sizeof(E)} / Index{sizeof(float)}, 16);
  }

  /// Rows first <= h < last (cut to the array), of an array of `depth` planes of `height` rows of `width` voxels.
  InputRows(const Loader& loader, Index n, Index depth, Index height, Index width, Index planes, Index pad, Index first,
            Index last, float* memory)
      : loader_(loader),
        n_(n),
        depth_(depth),
        height_(height),
        planes_(planes),
        pad_(pad * loader.source.shape.c),
        length_(width * loader.source.shape.c),
        first_(std::max<Index>(0, first)),
        last_(std::min(height, last)),
        line_(memory),
        ring_(reinterpret_cast<E*>(memory + line_floats(loader.source))),
        lines_(width / loader.source.shape.w),
        direct_(direct(loader.source, pad)) {
    if (direct_) return;
    const Index rows = last_ - first_;
    if (!is_float && !whole_tiles(loader.source.shape.c)) {  // tiles reach into what comes next: numbers, if only zeros
      std::fill_n(ring_, ring_size(loader.source, planes, rows, width, pad), E{});
      return;
    }
    for (Index r = 0; r < planes * rows && pad_ > 0; ++r) {
      E* row = ring_ + r * (length_ + 2 * pad_);
      std::fill(row, row + pad_, E{});
      std::fill(row + pad_ + length_, row + 2 * pad_ + length_, E{});
    }
  }

  /// Makes planes d0 <= d < d1 ready; called with rising d0 and d1, d1 - d0 <= planes.
  void need(Index d0, Index d1) {
    if (direct_) return;
    ready_ = std::max({ready_, d0, Index{0}});
    const Index line = length_ / lines_;
    for (; ready_ < std::min(d1, depth_); ++ready_)
      for (Index h = first_; h < last_; ++h) {
        E* to = place(ready_, h) + pad_;
        for (Index i = 0; i < lines_; ++i, to += line) {
          const Index at = (ready_ * height_ + h) * lines_ + i;  // counted in rows of the source
          load(at / loader_.source.shape.h, at % loader_.source.shape.h, line, to);
        }
      }
  }

  /// Asks for what row h of plane d will be made from, to be called while there is something else to compute.
  void ahead(Index d, Index h) const {
    if (d < ready_ || d < 0 || d >= depth_ || h < first_ || h >= last_) return;
    for (Index i = 0; i < lines_; ++i) {
      const Index at = (d * height_ + h) * lines_ + i;  // counted in rows of the source
      prefetch_row(loader_, n_, at / loader_.source.shape.h, at % loader_.source.shape.h);
    }
  }

  /// The padded row, or nullptr outside the volume.
  const E* row(Index d, Index h) const {
    if (d < 0 || d >= depth_ || h < 0 || h >= height_) return nullptr;
    if (direct_) return array() + ((n_ * depth_ + d) * height_ + h) * length_;
    return place(d, h);
  }

 private:
  static constexpr bool is_float = std::is_same_v<E, float>;
  static bool direct(const RowSource& s, Index pad) {
    return pad == 0 && (is_float ? s.plain() : s.packed != nullptr && whole_tiles(s.shape.c));
  }
  static Index line_floats(const RowSource& s) { return is_float ? 0 : round_up(s.shape.w * s.shape.c, 16); }
  static Index ring_size(const RowSource& s, Index planes, Index rows, Index width, Index pad) {
    return planes * rows * (width + 2 * pad) * s.shape.c + (is_float ? 0 : 64);
  }
  const E* array() const {
    if constexpr (is_float)
      return loader_.source.x;
    else
      return loader_.source.packed;
  }
  void load(Index d, Index h, Index count, E* to) {
    if constexpr (is_float) {
      load_row(loader_, n_, d, h, to);
    } else if (const bfloat16* packed = loader_.source.packed) {
      std::copy_n(packed + ((n_ * loader_.source.shape.d + d) * loader_.source.shape.h + h) * count, count, to);
    } else {
      load_row(loader_, n_, d, h, line_);
      round_row(line_, count, to);
    }
  }
  E* place(Index d, Index h) const {
    return ring_ + ((d % planes_) * (last_ - first_) + h - first_) * (length_ + 2 * pad_);
  }
  const Loader& loader_;
  Index n_, depth_, height_, planes_, pad_, length_, first_, last_;
  float* line_;  ///< a row before it is rounded
  E* ring_;
  Index lines_;
  bool direct_;
  Index ready_ = 0;
};

/// Those of a convolution.
template <class E>
Index ring_floats(const RowSource& x, const ConvShape& s) {
  return InputRows<E>::scratch(x, s.kd, std::min(s.h, (s.h + tile_count(s) - 1) / tile_count(s) + s.kh), s.w, s.kw / 2);
}
template <class E>
InputRows<E> input_rows(const Loader& loader, const ConvShape& s, const PlaneRun& run, float* ring) {
  return {loader, run.n, s.d, s.h, s.w, s.kd, s.kw / 2, run.h0 - s.kh / 2, run.h1 + s.kh / 2, ring};
}

/// Lists the input rows that reach output row (d, h); returns how many.
template <class E>
int row_taps(const ConvShape& s, const InputRows<E>& rows, Index d, Index h, RowTap<E>* taps) {
  int count = 0;
  for (Index i = 0; i < s.kd; ++i)
    for (Index j = 0; j < s.kh; ++j)
      if (const E* row = rows.row(d + i - s.kd / 2, h + j - s.kh / 2)) taps[count++] = {row, i * s.kh + j};
  return count;
}

}  // namespace fringe::cpu

// The rows of an operand as the convolutions see them: copied into a ring that stays in the L2 cache, padded with zeros along
// W, with the prologue applied (normalisation, or the gradient through LeakyReLU, batch normalisation and pooling).
#pragma once
#include "kernels/cpu/channel_period.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/convolution_shape.h"

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
  InputRows(const Loader& loader, Index n, Index depth, Index height, Index width, Index planes, Index pad, Index first,
            Index last, float* ring)
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

}  // namespace fringe::cpu

// What one convolution is to the CPU's engine: its extents, how it is cut into work, and how its scratch memory is handed out.
#pragma once
#include <algorithm>
#include <utility>

#include "kernels/cpu/parallel.h"
#include "kernels/error.h"
#include "kernels/view.h"

namespace fringe::cpu {

/// The geometry of one call, as plain numbers.
struct ConvShape {
  Index n, d, h, w, ci, co;
  Index kd, kh, kw;
  Index run() const { return kw * ci; }                   ///< contiguous inputs per (kd, kh) and output voxel
  Index padded_row() const { return (w + kw - 1) * ci; }  ///< floats in a padded input row
  Index taps() const { return kd * kh * run(); }          ///< weights per output channel
};

/// A row of inputs, floats or bfloat16, and the weights it meets.
template <class E>
struct RowTap {
  const E* row;
  Index tap;  ///< kd * Kh + kh
};
constexpr Index max_row_taps = 81;  // 9 x 9, the largest kernel of the CPU backend

/// Extents of the array x, kernel w.
inline ConvShape conv_shape(const Shape& x, const Shape& w, Index ci, Index co) {
  require(w.n * w.d <= max_row_taps, "conv3d: kernels on the CPU have at most {} taps over D and H, weights have shape {}",
          max_row_taps, w.str());
  return {x.n, x.d, x.h, x.w, ci, co, w.n, w.d, w.h};
}

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
void for_each_plane_run(Stream& stream, const ConvShape& s, Index tiles, const Body& body) {
  const Index columns = s.n * tiles, planes = columns * s.d;
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

template <class Body>
void for_each_plane_run(Stream& stream, const ConvShape& s, const Body& body) {
  for_each_plane_run(stream, s, tile_count(s), body);
}

inline Index round_up(Index a, Index b) { return (a + b - 1) / b * b; }

/// Scratch memory of one call, handed out in aligned pieces.
class Pieces {
 public:
  explicit Pieces(float* memory) : at_(memory) {}
  float* take(Index floats) { return std::exchange(at_, at_ + round_up(floats, 16)); }

 private:
  float* at_;
};

}  // namespace fringe::cpu

// Strategy: for each of the 36 parts, the products of (1) and (2) are those of a kernel Kd x 1 x 1 over an array whose rows are all squares
// of a plane, by the micro-kernels of the direct convolution. Several planes are done at once, as many as the cache has room for, so that
// weights (or their sums), which are four times those of the kernel, are read once for all of them.
#include "kernels/cpu/convolution_winograd4.h"

#include "kernels/cpu/convolution_weight_product.h"

namespace fringe::cpu {
namespace {

constexpr Index points = winograd4_points, parts = winograd4_parts;
constexpr Index cache_floats = (1 << 20) / sizeof(float);  // the L2 cache of a core
constexpr Index most_planes = 16;

/// How the squares are cut: into tiles of rows of squares, and runs of planes that are done at once.
struct Squares {
  ConvShape s;
  Index across;           ///< squares in a row
  Index tiles, rows = 0;  ///< rows of squares in the largest tile
  Index planes = 0;       ///< done at once

  /// `others`: floats of a square and part that are there beside the input's, while a plane is done.
  Squares(const ConvShape& shape, Index others) : s(shape), across(s.w / 4) {
    const Index down = s.h / 4, square = parts * across;
    tiles = std::min(down, (square * down * (s.kd * s.ci + others) + cache_floats - 1) / cache_floats);
    while (s.n * s.d * tiles < 16 && 2 * tiles <= down) ++tiles;
    rows = (down + tiles - 1) / tiles;
    planes = std::clamp<Index>((cache_floats - square * rows * (s.kd - 1) * s.ci) / (square * rows * (s.ci + others)), 1, most_planes);
  }
  /// The shape that is dealt to the threads.
  ConvShape split() const {
    ConvShape r = s;
    r.h /= 4;
    return r;
  }
  /// Floats from part to part; not a power of two, so that the parts do not meet in the same lines of the cache.
  Index part(Index channels) const { return round_up(rows * across * channels, 16) + 16; }
  Index plane(Index channels) const { return parts * part(channels); }
};

/// The transformed planes around those that are computed.
class SquarePlanes {
 public:
  static Index floats(const Squares& q) {
    return round_up(line(q.s), 16) + (points + 1) * round_up(row(q), 16) + ring_planes(q) * q.plane(q.s.ci);
  }

  SquarePlanes(const Loader& loader, const Squares& q, const PlaneRun& run, float* memory)
      : loader_(loader), q_(q), n_(run.n), first_(4 * run.h0 - 1), count_(run.h1 - run.h0), line_(memory),
        rows_(line_ + round_up(line(q.s), 16)), ring_(rows_ + (points + 1) * round_up(row(q), 16)) {
    std::fill_n(line_, line(q.s), 0.0F);
    std::fill_n(slot(points), row(q), 0.0F);
  }

  /// Makes planes d0 <= d < d1 ready; called with rising d0 and d1, d1 - d0 at most the ring's.
  void need(Index d0, Index d1) {
    ready_ = std::max({ready_, d0, Index{0}});
    for (; ready_ < std::min(d1, q_.s.d); ++ready_) make(ready_);
  }
  /// Asks for `share` of `shares` of what planes d0 .. d1 will be made of.
  void ahead(Index d0, Index d1, Index share, Index shares) const {
    const Index rows = 4 * count_ + 2, all = (d1 - d0) * rows;
    for (Index i = all * share / shares; i < all * (share + 1) / shares; ++i) {
      const Index d = d0 + i / rows, h = first_ + i % rows;
      if (d >= ready_ && d < q_.s.d && h >= 0 && h < q_.s.h) prefetch_row(loader_, n_, d, h);
    }
  }
  /// The first part of plane d, or nullptr outside the volume.
  const float* plane(Index d) const { return d < 0 || d >= q_.s.d ? nullptr : place(d); }

 private:
  static Index line(const ConvShape& s) { return (s.w + 2) * s.ci; }
  static Index row(const Squares& q) { return points * q.across * q.s.ci; }
  static Index ring_planes(const Squares& q) { return q.planes + q.s.kd - 1; }
  float* slot(Index i) const { return rows_ + i * round_up(row(q_), 16); }
  float* place(Index d) const { return ring_ + d % ring_planes(q_) * q_.plane(q_.s.ci); }

  void make(Index d) {
    const ConvShape& s = q_.s;
    const Index length = q_.across * s.ci;
    Index ready = 0;  // rows transformed along W, counted from first_; six of them are kept
    for (Index k = 0; k < count_; ++k) {
      const float* six[points];
      for (; ready < 4 * k + points; ++ready) {
        const Index h = first_ + ready;
        if (h < 0 || h >= s.h) continue;
        load_row(loader_, n_, d, h, line_ + s.ci);
        winograd4_inputs_along_w(line_, q_.across, s.ci, slot(ready % points));
      }
      for (Index i = 0; i < points; ++i) {
        const Index h = first_ + 4 * k + i;
        six[i] = slot(h < 0 || h >= s.h ? points : (4 * k + i) % points);
      }
      winograd4_inputs_along_h(six, length, place(d) + k * length, q_.part(s.ci));
    }
  }

  const Loader& loader_;
  const Squares& q_;
  Index n_, first_, count_, ready_ = 0;
  float *line_, *rows_, *ring_;
};

}  // namespace

bool winograd4_fits(const ConvShape& s) {
  return s.kh == 3 && s.kw == 3 && s.h % 4 == 0 && s.w % 4 == 0 && s.ci % 8 == 0 && s.co % 8 == 0;
}
bool winograd4_pays(const ConvShape& s) { return winograd4_fits(s) && s.w >= 16 && s.h >= 16; }

void convolve_winograd4(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                        const Result& y, const Epilogue& e) {
  const auto product = blocked_product(s.co, s.ci);
  const Index block = product.block, blocks = (s.co + block - 1) / block;
  const Squares q(s, block);
  const Index pieces = s.n * q.tiles * s.d, ring = round_up(SquarePlanes::floats(q), 16), m_part = q.part(block);
  const Index tap = s.ci * block, block_weights = s.kd * tap, part_weights = blocks * block_weights;
  PlaneScratch scratch(stream, parts * part_weights + (blocks + 1) * block, x, e, s.co, pieces, ring, q.planes * q.plane(block));
  float* zeros = scratch.weights + parts * part_weights;
  float* packed_bias = zeros + block;
  std::fill_n(zeros, (blocks + 1) * block, 0.0F);
  if (bias) std::copy(bias, bias + s.co, packed_bias);
  parallel_tasks(stream, blocks * s.kd * s.ci, [&](Index task) {
    constexpr Index most = 64;
    float w[9 * most];
    const Index c = task % s.ci, t = task / s.ci % s.kd, b = task / s.ci / s.kd;
    for (Index k = 0; k < 9; ++k) weight_row(s, source, 9 * t + k, c, b * block, block, w + k * most);
    winograd4_weights(w, most, block, scratch.weights + b * block_weights + t * tap + c * block, part_weights);
  });
  for_each_plane_run(stream, q.split(), q.tiles, [&](Index thread, const PlaneRun& run) {
    SquarePlanes input(scratch.loader, q, run, scratch.rings + thread * ring);
    float* m = scratch.buffers + thread * q.planes * q.plane(block);
    const Index h0 = 4 * run.h0, squares = (run.h1 - run.h0) * q.across, row = s.w * s.co;
    const auto at = [&](Index d) { return ((run.n * s.d + d) * s.h + h0) * row; };
    for (Index d0 = run.d0; d0 < run.d1; d0 += q.planes) {
      const Index d1 = std::min(run.d1, d0 + q.planes);
      input.need(d0 - s.kd / 2, d1 + s.kd / 2);
      for (Index b = 0; b < blocks; ++b) {
        const Index valid = std::min(block, s.co - b * block);
        for (Index i = 0; i < parts; ++i) {
          if (d1 < run.d1) input.ahead(d1 + s.kd / 2, d1 + s.kd / 2 + q.planes, b * parts + i, blocks * parts);
          for (Index d = d0; d < d1; ++d) {
            RowTap<float> taps[max_row_taps];
            int count = 0;
            for (Index t = 0; t < s.kd; ++t)
              if (const float* plane = input.plane(d + t - s.kd / 2)) taps[count++] = {plane + i * q.part(s.ci), t};
            product.row({squares, s.ci, s.ci, m + (d - d0) * q.plane(block) + i * m_part, block, valid}, taps, count,
                        scratch.weights + i * part_weights + b * block_weights, zeros);
          }
        }
        for (Index d = d0; d < d1; ++d)
          for (Index k = 0; k < run.h1 - run.h0; ++k)
            winograd4_outputs(m + (d - d0) * q.plane(block) + k * q.across * block, m_part, block, q.across, valid,
                              packed_bias + b * block, y.y + at(d) + 4 * k * row + b * block, row, s.co);
      }
      for (Index d = d0; d < d1; ++d)
        scratch.sums.rows((run.n * q.tiles + run.tile) * s.d + d, y.y + at(d), at(d), (run.h1 - run.h0) * 4 * row);
    }
  });
  scratch.sums.finish();
}

void convolve_winograd4_weights(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, View<float> dw,
                                float* db) {
  const auto product = blocked_weight_product(s.co);
  const Squares q(s, s.co);
  const Index tap = s.ci * s.co, weights = s.kd * parts * tap, sum_floats = round_up(weights + s.co, 16);
  const Index ring = round_up(SquarePlanes::floats(q), 16), g_row = s.w * s.co, v_row = round_up(points * q.across * s.co, 16);
  const Index gradients = round_up(q.planes * q.plane(s.co) + g_row + 4 * v_row, 16);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      stream.threads() * (sum_floats + ring + gradients)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float *sums = memory.take(stream.threads() * sum_floats), *rings = memory.take(stream.threads() * ring),
        *planes_of_gradient = memory.take(stream.threads() * gradients);
  std::fill(sums, sums + stream.threads() * sum_floats, 0.0F);
  for_each_plane_run(stream, q.split(), q.tiles, [&](Index thread, const PlaneRun& run) {
    SquarePlanes input(x_loader, q, run, rings + thread * ring);
    float *mine = sums + thread * sum_floats, *v = planes_of_gradient + thread * gradients, *rows = v + q.planes * q.plane(s.co),
          *g = rows + 4 * v_row;
    const Index squares = (run.h1 - run.h0) * q.across, length = q.across * s.co;
    for (Index d0 = run.d0; d0 < run.d1; d0 += q.planes) {
      const Index d1 = std::min(run.d1, d0 + q.planes);
      input.need(d0 - s.kd / 2, d1 + s.kd / 2);
      for (Index d = d0; d < d1; ++d)
        for (Index k = 0; k < run.h1 - run.h0; ++k) {
          const float* four[4];
          for (Index r = 0; r < 4; ++r) {
            load_row(dy_loader, run.n, d, 4 * (run.h0 + k) + r, g);
            if (db) product.sums(g, s.w, s.co, mine + weights);
            winograd4_gradients_along_w(g, q.across, s.co, rows + r * v_row);
            four[r] = rows + r * v_row;
          }
          winograd4_gradients_along_h(four, length, v + (d - d0) * q.plane(s.co) + k * length, q.part(s.co));
        }
      for (Index i = 0; i < parts; ++i) {
        if (d1 < run.d1) input.ahead(d1 + s.kd / 2, d1 + s.kd / 2 + q.planes, i, parts);
        for (Index t = 0; t < s.kd; ++t) {
          const float *in[most_planes], *out[most_planes];
          int count = 0;
          for (Index d = d0; d < d1; ++d)
            if (const float* plane = input.plane(d + t - s.kd / 2)) {
              in[count] = plane + i * q.part(s.ci);
              out[count++] = v + (d - d0) * q.plane(s.co) + i * q.part(s.co);
            }
          if (count > 0)
            add_weight_products(product, in, out, count, squares, s.ci, s.co, s.ci, mine + (t * parts + i) * tap);
        }
      }
    }
  });
  // Over the threads in their order, then the transforms back, some numbers of a tap at a time.
  constexpr Index piece = 64;
  parallel_tasks(stream, s.kd * tap / piece, [&](Index task) {
    const Index t = task * piece / tap, at = task * piece % tap;
    winograd4_weight_gradients(sums + t * parts * tap + at, tap, stream.threads(), sum_floats, piece, dw.data + 9 * t * tap + at, tap);
  });
  for (Index o = 0; db && o < s.co; ++o) {
    db[o] = 0;
    for (int thread = 0; thread < stream.threads(); ++thread) db[o] += sums[thread * sum_floats + weights + o];
  }
}

}  // namespace fringe::cpu

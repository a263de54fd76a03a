// Strategy: the products of (1) and (2) are those of 3x3x1 kernels with half as many voxels a row, by the same micro-kernels, four
// times; the ring holds the transformed rows.
#include "kernels/cpu/convolution_winograd.h"

#include "kernels/cpu/convolution_weight_product.h"

namespace fringe::cpu {
namespace {

constexpr Index parts = 4;

/// The transformed rows of the planes around the one that is computed: a ring of Kd planes of a tile of rows.
class WinogradRows {
 public:
  static Index floats(const ConvShape& s, Index rows) { return round_up(line(s), 16) + s.kd * rows * row_floats(s); }
  static Index row_floats(const ConvShape& s) { return 2 * s.w * s.ci; }

  WinogradRows(const Loader& loader, const ConvShape& s, const PlaneRun& run, Index rows, float* memory)
      : loader_(loader), s_(s), n_(run.n), first_(std::max<Index>(0, run.h0 - s.kh / 2)), last_(std::min(s.h, run.h1 + s.kh / 2)),
        rows_(rows), line_(memory), ring_(memory + round_up(line(s), 16)) {
    std::fill_n(line_, line(s), 0.0F);
  }

  /// Makes planes d0 <= d < d1 ready; called with rising d0 and d1, d1 - d0 <= Kd.
  void need(Index d0, Index d1) {
    ready_ = std::max({ready_, d0, Index{0}});
    for (; ready_ < std::min(d1, s_.d); ++ready_)
      for (Index h = first_; h < last_; ++h) {
        load_row(loader_, n_, ready_, h, line_ + s_.ci);
        winograd_inputs(line_, s_.w / 2, s_.ci, place(ready_, h));
      }
  }
  void ahead(Index d, Index h) const {
    if (d >= ready_ && d < s_.d && h >= first_ && h < last_) prefetch_row(loader_, n_, d, h);
  }

  /// u0 of the row, or nullptr outside the volume; `part` floats from each to the next.
  const float* row(Index d, Index h) const {
    return d < 0 || d >= s_.d || h < 0 || h >= s_.h ? nullptr : place(d, h);
  }
  static Index part(const ConvShape& s) { return s.w / 2 * s.ci; }

 private:
  static Index line(const ConvShape& s) { return (s.w + 2) * s.ci; }
  float* place(Index d, Index h) const { return ring_ + (d % s_.kd * rows_ + h - first_) * row_floats(s_); }
  const Loader& loader_;
  const ConvShape& s_;
  Index n_, first_, last_, rows_, ready_ = 0;
  float *line_, *ring_;
};

/// How the planes are cut: a transformed row is twice as long.
Index winograd_tiles(const ConvShape& s) {
  ConvShape split = s;
  split.w *= 2;
  return tile_count(split);
}
Index ring_rows(const ConvShape& s, Index tiles) { return std::min(s.h, (s.h + tiles - 1) / tiles + s.kh); }

/// g of one row tap and input channel, `count` output channels.
void transformed_weights(const ConvShape& s, WeightSource source, Index row_tap, Index c, Index first, Index count, float* const* g) {
  float w[3][64];
  for (Index k = 0; k < 3; ++k) weight_row(s, source, row_tap * 3 + k, c, first, count, w[k]);
  for (Index o = 0; o < count; ++o) {
    const float ends = w[0][o] + w[2][o];
    g[0][o] = w[0][o], g[1][o] = (ends + w[1][o]) / 2, g[2][o] = (ends - w[1][o]) / 2, g[3][o] = w[2][o];
  }
}

}  // namespace

bool winograd_fits(const ConvShape& s) {
  return s.kw == 3 && s.kd * s.kh >= 9 && s.w % 2 == 0 && s.ci % 8 == 0 && s.co % 8 == 0;
}
bool winograd_pays(const ConvShape& s) {
  return winograd_fits(s) && s.w >= 16 && s.co > paired_channels;
}

void convolve_winograd(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                       const Result& y, const Epilogue& e) {
  const auto product = blocked_product(s.co, s.ci);
  const Index block = product.block, blocks = (s.co + block - 1) / block, taps = s.kd * s.kh;
  const Index part_weights = blocks * taps * s.ci * block, part = WinogradRows::part(s), out_part = s.w / 2 * s.co;
  const Index tiles = winograd_tiles(s), pieces = s.n * tiles * s.d, rows = ring_rows(s, tiles);
  const Index ring = round_up(WinogradRows::floats(s, rows), 16);
  PlaneScratch scratch(stream, parts * part_weights + 2 * blocks * block, x, e, s.co, pieces, ring, parts * out_part);
  float* zeros = scratch.weights + parts * part_weights;
  float* packed_bias = zeros + blocks * block;
  std::fill_n(zeros, 2 * blocks * block, 0.0F);
  if (bias) std::copy(bias, bias + s.co, packed_bias);  // m1 is in both outputs
  parallel_tasks(stream, blocks * taps, [&](Index task) {
    float* g[parts];
    for (Index c = 0; c < s.ci; ++c) {
      for (Index m = 0; m < parts; ++m) g[m] = scratch.weights + m * part_weights + (task * s.ci + c) * block;
      transformed_weights(s, source, task % taps, c, task / taps * block, block, g);
    }
  });
  for_each_plane_run(stream, s, tiles, [&](Index thread, const PlaneRun& run) {
    WinogradRows input(scratch.loader, s, run, rows, scratch.rings + thread * ring);
    float* m = scratch.buffers + thread * parts * out_part;
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      input.need(plane - s.kd / 2, plane + s.kd / 2 + 1);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      for (Index h = run.h0; h < run.h1; ++h) {
        input.ahead(plane + s.kd / 2 + 1, h);
        RowTap<float> found[max_row_taps];
        int count = 0;
        for (Index t = 0; t < taps; ++t)
          if (const float* row = input.row(plane + t / s.kh - s.kd / 2, h + t % s.kh - s.kh / 2)) found[count++] = {row, t};
        for (Index i = 0; i < parts; ++i) {
          for (Index b = 0; b < blocks; ++b)
            product.row({s.w / 2, s.ci, s.ci, m + i * out_part + b * block, s.co, std::min(block, s.co - b * block)}, found, count,
                        scratch.weights + i * part_weights + b * taps * s.ci * block, (i == 1 ? packed_bias : zeros) + b * block);
          for (int t = 0; t < count; ++t) found[t].row += part;
        }
        winograd_outputs(m, s.w / 2, s.co, y.y + at + (h - run.h0) * s.w * s.co);
      }
      scratch.sums.rows((run.n * tiles + run.tile) * s.d + plane, y.y + at, at, (run.h1 - run.h0) * s.w * s.co);
    }
  });
  scratch.sums.finish();
}

void convolve_winograd_weights(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, View<float> dw,
                               float* db) {
  const auto product = blocked_weight_product(s.co);
  const Index taps = s.kd * s.kh, tap_floats = s.ci * s.co, sum_floats = round_up(parts * taps * tap_floats + s.co, 16);
  const Index tiles = winograd_tiles(s), rows = ring_rows(s, tiles), ring = round_up(WinogradRows::floats(s, rows), 16);
  constexpr Index chunk = 16;  // rows of the gradient transformed at once
  const Index v_part = s.w / 2 * s.co, v_row = parts * v_part, g_row = s.w * s.co;
  const Index gradients = round_up(chunk * v_row + g_row, 16);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      stream.threads() * (sum_floats + ring + gradients)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float *sums = memory.take(stream.threads() * sum_floats), *rings = memory.take(stream.threads() * ring),
        *rows_of_gradient = memory.take(stream.threads() * gradients);
  std::fill(sums, sums + stream.threads() * sum_floats, 0.0F);
  for_each_plane_run(stream, s, tiles, [&](Index thread, const PlaneRun& run) {
    WinogradRows input(x_loader, s, run, rows, rings + thread * ring);
    float *mine = sums + thread * sum_floats, *v = rows_of_gradient + thread * gradients, *g = v + chunk * v_row;
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      input.need(plane - s.kd / 2, plane + s.kd / 2 + 1);
      for (Index h0 = run.h0; h0 < run.h1; h0 += chunk) {
        const Index h1 = std::min(run.h1, h0 + chunk);
        for (Index h = h0; h < h1; ++h) {
          load_row(dy_loader, run.n, plane, h, g);
          if (db) product.sums(g, s.w, s.co, mine + parts * taps * tap_floats);
          winograd_gradients(g, s.w / 2, s.co, v + (h - h0) * v_row);
        }
        for (Index t = 0; t < taps; ++t) {
          for (Index h = h0 + (h1 - h0) * t / taps; h < h0 + (h1 - h0) * (t + 1) / taps; ++h) {
            input.ahead(plane + s.kd / 2 + 1, h);
            if (plane + 1 < run.d1) prefetch_row(dy_loader, run.n, plane + 1, h);
          }
          for (Index i = 0; i < parts; ++i) {
            const float *in[chunk], *out[chunk];
            int count = 0;
            for (Index h = h0; h < h1; ++h)
              if (const float* row = input.row(plane + t / s.kh - s.kd / 2, h + t % s.kh - s.kh / 2)) {
                in[count] = row + i * WinogradRows::part(s);
                out[count++] = v + (h - h0) * v_row + i * v_part;
              }
            add_weight_products(product, in, out, count, s.w / 2, s.ci, s.co, s.ci, mine + (t * parts + i) * tap_floats);
          }
        }
      }
    }
  });
  // Over the threads in their order, then (2).
  parallel_ranges(stream, taps * tap_floats, 1 << 9, [&](Index begin, Index end) {
    for (Index at = begin; at < end; ++at) {
      const Index t = at / tap_floats, i = at % tap_floats;
      float total[parts] = {};
      for (int thread = 0; thread < stream.threads(); ++thread)
        for (Index m = 0; m < parts; ++m) total[m] += sums[thread * sum_floats + (t * parts + m) * tap_floats + i];
      const float both = (total[1] + total[2]) / 2;
      float* to = dw.data + t * 3 * tap_floats + i;
      to[0] = total[0] + both, to[tap_floats] = (total[1] - total[2]) / 2, to[2 * tap_floats] = both + total[3];
    }
  });
  for (Index o = 0; db && o < s.co; ++o) {
    db[o] = 0;
    for (int thread = 0; thread < stream.threads(); ++thread) db[o] += sums[thread * sum_floats + parts * taps * tap_floats + o];
  }
}

}  // namespace fringe::cpu

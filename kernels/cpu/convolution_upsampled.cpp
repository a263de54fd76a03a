// 3x3x3 kernels over an array read upsampled. An output voxel of each of the 8 parities sees 2x2x2 different inputs, so
// that 8 sets of 8 summed weights replace 27 taps; the data gradient is a 4x4x4 kernel of stride 2 on the small array;
// the weight gradient is taken by its 64 taps and summed to 27 at the end. 8/27 of the flops, and the large array is
// never written.
#include "kernels/cpu/convolution_planes.h"
#include "kernels/cpu/convolution_weight_product.h"

namespace fringe::cpu {
namespace {

/// Along one axis, the weights that meet inputs i-1 + parity + m (m = 0, 1) of output 2i + parity: bit masks of taps 0,
/// 1, 2.
constexpr int parity_taps[2][2] = {{0b001, 0b110}, {0b011, 0b100}};
/// The weights by which input i meets outputs 2i-1 + m, m = 0 .. 3.
constexpr int stride_taps[4] = {0b100, 0b110, 0b011, 0b001};

/// The ring of the large array's rows that a tile of the small one needs.
template <class E>
Index large_ring(const RowSource& g, const ConvShape& s, Index tiles) {
  return InputRows<E>::scratch(g, 4, std::min(2 * s.h, 2 * ((s.h + tiles - 1) / tiles) + 2), 2 * s.w, 1);
}
template <class E>
InputRows<E> large_rows(const Loader& loader, const ConvShape& s, const PlaneRun& run, float* ring) {
  return {loader, run.n, 2 * s.d, 2 * s.h, 2 * s.w, 4, 1, 2 * run.h0 - 1, 2 * run.h1 + 1, ring};
}

/// The taps of a 3x3x3 kernel in the three masks.
struct Taps {
  Index tap[8];
  int count = 0;

  Taps(int md, int mh, int mw) {
    for (int t = 0; t < 27; ++t)
      if ((md >> t / 9) & (mh >> t / 3 % 3) & (mw >> t % 3) & 1) tap[count++] = t;
  }
};

/// to[o]: the sum over these taps of the weights of input channel c and output channel first + o, 0 where there is none; rounded
/// to bfloat16 where they are factors of that precision.
void summed_row(const float* w, Index ci, Index co, const Taps& taps, bool rounded, Index c, Index first, Index block, float* to) {
  const Index valid = std::clamp<Index>(co - first, 0, block);
  const float* rows[8];
  for (int t = 0; t < taps.count; ++t) rows[t] = w + (taps.tap[t] * ci + c) * co + first;
  add_rows(rows, taps.count, valid, to);
  std::fill(to + valid, to + block, 0.0F);
  for (Index o = 0; rounded && o < valid; ++o) to[o] = to_bfloat16(to[o]);
}

/// Each tap's matrix transposed: (27, ci, co) to (27, co, ci).
void transpose_taps(Stream& stream, const float* w, Index ci, Index co, float* to) {
  constexpr Index tile = 16;
  parallel_tasks(stream, 27 * ((ci + tile - 1) / tile), [&](Index task) {
    const Index tap = task % 27, c0 = task / 27 * tile, c1 = std::min(ci, c0 + tile);
    for (Index o0 = 0; o0 < co; o0 += tile)
      for (Index o = o0; o < std::min(co, o0 + tile); ++o)
        for (Index c = c0; c < c1; ++c) to[(tap * co + o) * ci + c] = w[(tap * ci + c) * co + o];
  });
}

template <class E>
void upsampled(Stream& stream, const RowSource& x, ConstView<float> w, const float* bias, View<float> y,
               const Epilogue& e) {
  const auto s = conv_shape(x.shape, w.shape, x.shape.c, y.shape.c);  // extents of the small array
  const Product<E> product(s.co, s.ci, 2 * s.ci, s.w);
  const Index block = product.block(), blocks = (s.co + block - 1) / block, tap_size = product.tap_size();
  const Index set = 4 * tap_size;  // weights of one parity and block
  const Index weight_floats = floats_of<E>(8 * blocks * set), tiles = tile_count(s), pieces = s.n * tiles * s.d;
  const Index ring = ring_floats<E>(x, s);
  PlaneScratch scratch(stream, weight_floats + blocks * block, x, e, s.co, pieces, ring);
  E* packed = reinterpret_cast<E*>(scratch.weights);
  float* packed_bias = scratch.weights + weight_floats;
  parallel_tasks(stream, 8 * blocks * 4, [&](Index task) {
    const Index parity = task / 4 / blocks, b = task / 4 % blocks, tap = task % 4;
    const int md = parity_taps[parity / 4][tap / 2], mh = parity_taps[parity / 2 % 2][tap % 2];
    const int* mw = parity_taps[parity % 2];
    const Taps taps[] = {{md, mh, mw[0]}, {md, mh, mw[1]}};
    const auto numbers = [&](Index k, float* to) {
      summed_row(w.data, s.ci, s.co, taps[k / s.ci], x.rounded, k % s.ci, b * block, block, to);
    };
    product.pack_tap(numbers, packed + (parity * blocks + b) * set + tap * tap_size);
  });
  std::fill(packed_bias, packed_bias + blocks * block, 0.0F);
  std::copy(bias, bias + s.co, packed_bias);
  for_each_plane_run(stream, s, [&](Index thread, const PlaneRun& run) {
    [[maybe_unused]] const typename Product<E>::Scope scope(product);
    InputRows<E> rows = input_rows<E>(scratch.loader, s, run, scratch.rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(plane - 1, plane + 2);
      for (Index pd = 0; pd < 2; ++pd) {
        const Index row_floats = 2 * s.w * s.co,
                    at = ((run.n * s.d * 2 + 2 * plane + pd) * 2 * s.h + 2 * run.h0) * row_floats;
        for (Index b = 0; b < blocks; ++b)
          for (Index h = run.h0; h < run.h1; ++h) {
            if (b == 0 && pd == 0) rows.ahead(plane + 2, h);
            for (Index ph = 0; ph < 2; ++ph)
              for (Index pw = 0; pw < 2; ++pw) {
                RowTap<E> taps[4];
                int count = 0;
                for (Index t = 0; t < 4; ++t)
                  if (const E* row = rows.row(plane - 1 + pd + t / 2, h - 1 + ph + t % 2))
                    taps[count++] = {row + pw * s.ci, t};
                const Result out = Result(y).at(at + (2 * (h - run.h0) + ph) * row_floats + pw * s.co + b * block);
                product(s.w, s.ci, out, 2 * s.co, std::min(block, s.co - b * block), taps, count,
                        packed + ((pd * 4 + ph * 2 + pw) * blocks + b) * set, packed_bias + b * block);
              }
          }
        scratch.sums.rows((run.n * tiles + run.tile) * s.d + plane, y.data + at, at,
                          2 * (run.h1 - run.h0) * row_floats);
      }
    }
  });
  scratch.sums.finish();
}

template <class E>
void upsampled_data(Stream& stream, const RowSource& dy, ConstView<float> w, View<float> dx, const Epilogue& e) {
  const auto s =
      conv_shape(dx.shape, w.shape, dy.shape.c, dx.shape.c);  // extents of the small array; w is (3,3,3,co,ci)
  const Product<E> product(s.co, 2 * s.ci, 4 * s.ci, s.w);
  const Index block = product.block(), blocks = (s.co + block - 1) / block, tap_size = product.tap_size(),
              set = 16 * tap_size;
  const Index weight_floats = floats_of<E>(blocks * set);
  ConvShape split = s;
  split.w *= 8;  // the rows that a small row needs
  const Index tiles = tile_count(split), pieces = s.n * tiles * s.d, ring = large_ring<E>(dy, s, tiles);
  PlaneScratch scratch(stream, weight_floats + blocks * block + w.size(), dy, e, s.co, pieces, ring);
  E* packed = reinterpret_cast<E*>(scratch.weights);
  float *no_bias = scratch.weights + weight_floats, *transposed = no_bias + blocks * block;
  transpose_taps(stream, w.data, s.co, s.ci, transposed);
  parallel_tasks(stream, blocks * 16, [&](Index task) {
    const Index b = task / 16, tap = task % 16;
    const int md = stride_taps[tap / 4], mh = stride_taps[tap % 4];
    const Taps taps[] = {{md, mh, stride_taps[0]}, {md, mh, stride_taps[1]}, {md, mh, stride_taps[2]}, {md, mh, stride_taps[3]}};
    const auto numbers = [&](Index k, float* to) {
      summed_row(transposed, s.ci, s.co, taps[k / s.ci], dy.rounded, k % s.ci, b * block, block, to);
    };
    product.pack_tap(numbers, packed + b * set + tap * tap_size);
  });
  std::fill(no_bias, no_bias + blocks * block, 0.0F);
  for_each_plane_run(stream, split, [&](Index thread, const PlaneRun& run) {
    [[maybe_unused]] const typename Product<E>::Scope scope(product);
    InputRows<E> rows = large_rows<E>(scratch.loader, s, run, scratch.rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(2 * plane - 1, 2 * plane + 3);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      for (Index b = 0; b < blocks; ++b)
        for (Index h = run.h0; h < run.h1; ++h) {
          RowTap<E> taps[16];
          int count = 0;
          for (Index k = 0; b == 0 && k < 4; ++k) rows.ahead(2 * plane + 3 + k / 2, 2 * h + k % 2);
          for (Index t = 0; t < 16; ++t)
            if (const E* row = rows.row(2 * plane - 1 + t / 4, 2 * h - 1 + t % 4)) taps[count++] = {row, t};
          product(s.w, 2 * s.ci, Result(dx).at(at + (h - run.h0) * s.w * s.co + b * block), s.co,
                  std::min(block, s.co - b * block), taps, count, packed + b * set, no_bias + b * block);
        }
      scratch.sums.rows((run.n * tiles + run.tile) * s.d + plane, dx.data + at, at, (run.h1 - run.h0) * s.w * s.co);
    }
  });
  scratch.sums.finish();
}

Ways ways(const Stream& stream) {
  return Ways(Way::own).or_else(Way::floats, stream.precision() == Precision::bfloat16 && tiles_available());
}
bool by_tiles(const Stream& stream, Way algorithm) {
  return algorithm == Way::own && stream.precision() == Precision::bfloat16 && tiles_available();
}

}  // namespace

void convolve_upsampled(Stream& stream, const RowSource& x, ConstView<float> w, const float* bias, View<float> y,
                        const Epilogue& e) {
  run_one_of(stream, "upsampled_conv3d_forward", x.shape, w.shape, ways(stream), [&](Way a) {
    if (by_tiles(stream, a)) return upsampled<bfloat16>(stream, x, w, bias, y, e);
    RowSource operand = x;
    operand.rounded = stream.precision() == Precision::bfloat16;
    upsampled<float>(stream, operand, w, bias, y, e);
  });
}

void convolve_upsampled_data(Stream& stream, const RowSource& dy, ConstView<float> w, View<float> dx,
                             const Epilogue& e) {
  run_one_of(stream, "upsampled_conv3d_data", dy.shape, w.shape, ways(stream), [&](Way a) {
    if (by_tiles(stream, a)) return upsampled_data<bfloat16>(stream, dy, w, dx, e);
    RowSource operand = dy;
    operand.rounded = stream.precision() == Precision::bfloat16;
    upsampled_data<float>(stream, operand, w, dx, e);
  });
}

namespace {

/// The 27 taps from the 64 sums of each of `count` parts, `stride` floats apart, added in their order.
void finish_taps(Stream& stream, const float* sums, Index stride, Index count, Index tap_floats, float* dw) {
  parallel_tasks(stream, 27, [&](Index tap) {
    float* to = dw + tap * tap_floats;
    std::fill(to, to + tap_floats, 0.0F);
    for (Index m = 0; m < 64; ++m) {
      if (!(stride_taps[m / 16] >> (tap / 9) & 1) || !(stride_taps[m / 4 % 4] >> (tap / 3 % 3) & 1) ||
          !(stride_taps[m % 4] >> (tap % 3) & 1))
        continue;
      for (Index t = 0; t < count; ++t) {
        const float* from = sums + t * stride + m * tap_floats;
        for (Index i = 0; i < tap_floats; ++i) to[i] += from[i];
      }
    }
  });
}

/// Where there are more sums than numbers in both arrays, sums for every thread would take more memory and time than the products:
/// both arrays are written out as they are read, and a task has four taps of one block of channels to itself, over all voxels.
bool more_sums_than_voxels(const RowSource& x, const RowSource& dy) {
  return 64 * x.shape.c * dy.shape.c > x.shape.size() + dy.shape.size();
}

void upsampled_weights_by_taps(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);  // extents of the small array
  const auto product = blocked_weight_product(s.co);
  const Index tap_floats = s.ci * s.co, blocks = (s.co + product.block - 1) / product.block;
  const Index x_row = s.w * s.ci, g_row = (2 * s.w + 2) * s.co, rows = s.n * s.d * s.h;
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      round_up(64 * tap_floats, 16) + round_up(rows * x_row, 16) + 4 * rows * g_row));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float *sums = memory.take(64 * tap_floats), *in = memory.take(rows * x_row), *g = memory.take(4 * rows * g_row);
  const auto gradient = [&](Index n, Index d, Index h) { return g + ((n * 2 * s.d + d) * 2 * s.h + h) * g_row; };
  parallel_tasks(stream, s.n * s.d, [&](Index plane) {
    const Index n = plane / s.d, d = plane % s.d;
    for (Index h = 0; h < s.h; ++h) load_row(x_loader, n, d, h, in + (plane * s.h + h) * x_row);
    for (Index p = 2 * d; p < 2 * d + 2; ++p)
      for (Index h = 0; h < 2 * s.h; ++h) {
        float* row = gradient(n, p, h);
        std::fill_n(row, s.co, 0.0F);
        load_row(dy_loader, n, p, h, row + s.co);
        std::fill_n(row + g_row - s.co, s.co, 0.0F);
      }
  });
  parallel_tasks(stream, 16 * blocks, [&](Index task) {
    constexpr int most = 64;  // rows at once
    const Index t = task / blocks, o = task % blocks * product.block, valid = std::min(product.block, s.co - o);
    for (Index m = 0; m < 4; ++m) {
      float* mine = sums + (t * 4 + m) * tap_floats + o;
      for (Index c = 0; c < s.ci; ++c) std::fill_n(mine + c * s.co, valid, 0.0F);
      const float *from[most], *by[most];
      int count = 0;
      const auto add = [&] {
        if (count > 0) product.product({from, by, count, s.w, s.ci, 2 * s.co}, s.ci, s.co, valid, mine);
        count = 0;
      };
      for (Index row = 0; row < rows; ++row) {
        const Index d = 2 * (row / s.h % s.d) - 1 + t / 4, h = 2 * (row % s.h) - 1 + t % 4;
        if (d < 0 || d >= 2 * s.d || h < 0 || h >= 2 * s.h) continue;
        from[count] = in + row * x_row;
        by[count++] = gradient(row / s.h / s.d, d, h) + m * s.co + o;
        if (count == most) add();
      }
      add();
    }
  });
  finish_taps(stream, sums, 0, 1, tap_floats, dw.data);
  if (!db) return;
  std::fill_n(db, s.co, 0.0F);
  for (Index row = 0; row < 4 * rows; ++row) product.sums(g + row * g_row + s.co, 2 * s.w, s.co, db);
}

void upsampled_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  if (more_sums_than_voxels(x, dy)) return upsampled_weights_by_taps(stream, x, dy, dw, db);
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);  // extents of the small array
  const auto product = blocked_weight_product(s.co);
  constexpr Index max_rows = 64;
  const Index tap_floats = s.ci * s.co, sum_floats = round_up(64 * tap_floats + s.co, 16);
  ConvShape split = s;
  split.w *= 8, split.ci = s.co;
  const Index tiles = tile_count(split), ring = large_ring<float>(dy, s, tiles),
              x_ring = InputRows<float>::scratch(x, 1, s.h, s.w, 0);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      stream.threads() * (sum_floats + ring + x_ring)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float* sums = memory.take(stream.threads() * sum_floats);
  float* rings = memory.take(stream.threads() * ring);
  float* x_rings = memory.take(stream.threads() * x_ring);
  std::fill(sums, sums + stream.threads() * sum_floats, 0.0F);
  for_each_plane_run(stream, split, [&](Index thread, const PlaneRun& run) {
    float* mine = sums + thread * sum_floats;
    InputRows<float> rows = large_rows<float>(dy_loader, s, run, rings + thread * ring);
    InputRows<float> inputs(x_loader, run.n, s.d, s.h, s.w, 1, 0, run.h0, run.h1, x_rings + thread * x_ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(2 * plane - 1, 2 * plane + 3);
      inputs.need(plane, plane + 1);
      if (db)
        for (Index p = 2 * plane; p < 2 * plane + 2; ++p)
          for (Index h = 2 * run.h0; h < 2 * run.h1; ++h)
            product.sums(rows.row(p, h) + s.co, 2 * s.w, s.co, mine + 64 * tap_floats);
      for (Index h0 = run.h0; h0 < run.h1; h0 += max_rows)
        for (Index t = 0; t < 16; ++t) {
          const float *in[max_rows], *out[max_rows], *out_block[max_rows];
          int count = 0;
          const Index all = std::min(run.h1, h0 + max_rows) - h0;  // rows, a sixteenth of which is asked for
          for (Index h = h0 + all * t / 16; h < h0 + all * (t + 1) / 16; ++h) {
            for (Index k = 0; k < 4; ++k) rows.ahead(2 * plane + 3 + k / 2, 2 * h + k % 2);
            inputs.ahead(plane + 1, h);
          }
          for (Index h = h0; h < std::min(run.h1, h0 + max_rows); ++h)
            if (const float* row = rows.row(2 * plane - 1 + t / 4, 2 * h - 1 + t % 4)) {
              in[count] = inputs.row(plane, h);
              out[count++] = row;
            }
          const WeightRows part{in, out_block, count, s.w, s.ci, 2 * s.co};
          for (Index m = 0; m < 4; ++m)
            for (Index o = 0; o < s.co; o += product.block) {
              for (int r = 0; r < count; ++r) out_block[r] = out[r] + m * s.co + o;
              product.product(part, s.ci, s.co, std::min(product.block, s.co - o), mine + (t * 4 + m) * tap_floats + o);
            }
        }
    }
  });
  // Over the threads in their order, then from the 64 sums to the 27 taps.
  finish_taps(stream, sums, sum_floats, stream.threads(), tap_floats, dw.data);
  for (Index o = 0; db && o < s.co; ++o) {
    db[o] = 0;
    for (int t = 0; t < stream.threads(); ++t) db[o] += sums[t * sum_floats + 64 * tap_floats + o];
  }
}

}  // namespace

void convolve_upsampled_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  run_one_of(stream, "upsampled_conv3d_weights", x.shape, dw.shape, ways(stream), [&](Way a) {
    if (by_tiles(stream, a)) return convolve_upsampled_tile_weights(stream, x, dy, dw, db);
    RowSource in = x, gradient = dy;
    in.rounded = gradient.rounded = stream.precision() == Precision::bfloat16;
    upsampled_weights(stream, in, gradient, dw, db);
  });
}

}  // namespace fringe::cpu

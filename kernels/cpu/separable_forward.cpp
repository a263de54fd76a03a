// Strategy: separable_pass.h. Plane by plane (two at once where eight channels go in pairs), row by row: u as far as v needs it,
// v, y. What the prologue will read two rows further on is asked for in time.
#include "kernels/cpu/convolution_line.h"
#include "kernels/cpu/separable_pass.h"

namespace fringe::cpu {

bool separable_in_one_pass(const Stream& stream, const Shape& full, Index ci, Index middle, Index co) {
  constexpr Index most_channels = 64;  // more, and the weights' sums alone fill the cache
  return stream.precision() != Precision::bfloat16 && std::max({ci, middle, co}) <= most_channels &&
         full.with_channels(middle).size() * Index{sizeof(float)} >= Index{2} << 20 && full.n * full.d >= 8 * stream.threads();
}

void separable_forward(Stream& stream, float slope, const RowSource& x, const SeparableWeights<ConstView<float>>& k, View<float> u,
                       View<float> v, View<float> y, float* statistics) {
  const Shape& e = y.shape;
  const Index ci = x.shape.c, middle = k.bd.shape.c, co = e.c, kd = k.wd.shape.n, kh = k.wh.shape.d, kw = k.ww.shape.h;
  const ConvShape array{e.n, e.d, e.h, e.w, ci, co, kd, kh, kw};
  LineConvolution along_d(array, Axis::d, kd, ci, middle), along_h(array, Axis::h, kh, middle, middle),
      along_w(array, Axis::w, kw, middle, co);
  const Index planes = along_d.rows(), rows = along_h.rows();  // of one call

  ConvShape split = array;
  split.d /= planes, split.h /= rows;
  const Index tiles = separable_tiles(split.h, along_d.reach() + planes + 1, rows * e.w * std::max(ci, middle));
  const Index tile_rows = ((split.h + tiles - 1) / tiles) * rows, u_rows = std::min(e.h, tile_rows + kh - 1);
  constexpr Index chunk = 8;  // rows of y whose sums are taken at once
  const bool direct = x.plain();
  const Index x_row = e.w * ci, u_row = e.w * middle, v_row = (e.w + kw - 1) * middle, y_row = e.w * co, pad = kw / 2 * middle;
  const Index ring = direct ? 0 : along_d.reach() * u_rows * x_row;
  const Index mine = round_up(ring, 16) + round_up(planes * u_rows * u_row, 16) + round_up(rows * v_row, 16);
  const Epilogue epilogue{.slope = slope, .statistics = statistics};
  const Index pieces = e.n * tiles * e.d;

  Pieces memory(stream.scratch<float>(round_up(along_d.weight_floats(), 16) + round_up(along_h.weight_floats(), 16) +
                                      round_up(along_w.weight_floats(), 16) + round_up(Loader::floats(x), 16) +
                                      round_up(EpilogueSums::floats(epilogue, co, pieces), 16) + stream.threads() * mine));
  along_d.pack(stream, {k.wd.data, false}, k.bd.data, memory.take(along_d.weight_floats()));
  along_h.pack(stream, {k.wh.data, false}, k.bh.data, memory.take(along_h.weight_floats()));
  along_w.pack(stream, {k.ww.data, false}, k.bw.data, memory.take(along_w.weight_floats()));
  const Loader loader(x, memory.take(Loader::floats(x)));
  EpilogueSums sums(epilogue, co, pieces, memory.take(EpilogueSums::floats(epilogue, co, pieces)));
  float* threads = memory.take(stream.threads() * mine);

  for_each_plane_run(stream, split, tiles, [&](Index thread, const PlaneRun& run) {
    Pieces own(threads + thread * mine);
    float *x_ring = own.take(ring), *u_plane = own.take(planes * u_rows * u_row), *v_rows = own.take(rows * v_row);
    std::fill_n(v_rows, rows * v_row, 0.0F);
    const Index h0 = run.h0 * rows, h1 = run.h1 * rows;
    const Index u0 = std::max<Index>(0, h0 - kh / 2), u1 = std::min(e.h, h1 + kh / 2);
    const auto voxel = [&](Index d, Index h) { return ((run.n * e.d + d) * e.h + h) * e.w; };
    // Rows of the tile are made where they belong; those beside it, and all where u is not kept, in memory of the thread.
    const auto u_at = [&](Index d, Index h) {
      return u && h >= h0 && h < h1 ? u.data + voxel(d, h) * middle : u_plane + (d % planes * u_rows + h - u0) * u_row;
    };
    const auto ring_at = [&](Index d, Index h) { return x_ring + (d % along_d.reach() * u_rows + h - u0) * x_row; };
    const auto x_at = [&](Index d, Index h) { return direct ? x.x + voxel(d, h) * ci : ring_at(d, h); };
    const float* in[max_row_taps + 1];
    const Index begin = run.d0 * planes;
    for (Index d = begin; d < run.d1 * planes; d += planes) {
      const Index first = d - kd / 2, last = first + along_d.reach(), fresh = d == begin ? first : last - planes;
      const auto each_fresh = [&](const auto& call) {
        for (Index p = std::max<Index>(0, fresh); p < std::min(e.d, last); ++p) call(p);
      };
      Index ready = u0;  // rows of u
      for (Index h = h0; h < h1; h += rows) {
        for (; ready < std::min(u1, h + rows + kh / 2); ++ready) {
          if (ready + 2 < u1) each_fresh([&](Index p) { prefetch_row(loader, run.n, p, ready + 2); });
          if (!direct) each_fresh([&](Index p) { load_row(loader, run.n, p, ready, ring_at(p, ready)); });
          for (Index j = 0; j < along_d.reach(); ++j) {
            const Index from = first + j;
            in[j] = from < 0 || from >= e.d ? nullptr : x_at(from, ready);
          }
          along_d(in, u_at(d, ready), u_at(d + planes - 1, ready));
        }
        for (Index plane = d; plane < d + planes; ++plane) {
          for (Index j = 0; j < along_h.reach(); ++j) {
            const Index from = h + j - kh / 2;
            in[j] = from < u0 || from >= u1 ? nullptr : u_at(plane, from);
          }
          along_h(in, v_rows + pad, v_rows + (rows - 1) * v_row + pad);
          for (Index r = 0; r < rows; ++r) {
            if (v) std::copy_n(v_rows + r * v_row + pad, u_row, v.data + voxel(plane, h + r) * middle);
            in[0] = v_rows + r * v_row;
            along_w(in, y.data + voxel(plane, h + r) * co);
          }
        }
        const Index done = h + rows - h0;
        if (done % chunk != 0 && h + rows < h1) continue;
        const Index from = h + rows - ((done - 1) % chunk + 1);
        for (Index plane = d; plane < d + planes; ++plane) {
          const Index at = voxel(plane, from) * co;
          sums.rows((run.n * tiles + run.tile) * e.d + plane, y.data + at, at, (h + rows - from) * y_row);
        }
      }
    }
  });
  sums.finish();
}

}  // namespace fringe::cpu

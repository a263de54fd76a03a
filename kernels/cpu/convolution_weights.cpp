// The weight gradient: each thread sums its planes privately, then the sums are added in the order of the threads.
#include "kernels/cpu/convolution_weight_product.h"
#include "kernels/cpu/convolution_winograd.h"
#include "kernels/cpu/convolution_winograd4.h"

namespace fringe::cpu {
namespace {

/// What all weight gradients share: private sums of every thread, input rows, the gradient's rows, the loop over planes.
/// plane(rows, dy of rows h0 .. h1 of the plane, ahead, d, h0, h1, this thread's sums), which calls ahead(h) for each row while it
/// computes: what the next plane needs is asked for.
template <class Plane>
void sum_planes(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, ChannelSums* sum_channels,
                float* dw, float* db, const Plane& plane) {
  const Index weight_floats = s.taps() * s.co, sum_floats = round_up(weight_floats + s.co, 16);
  const Index ring = ring_floats<float>(x, s), rows_of_tile = std::min(s.h, (s.h + tile_count(s) - 1) / tile_count(s));
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
    InputRows<float> rows = input_rows<float>(x_loader, s, run, rings + thread * ring);
    for (Index p = run.d0; p < run.d1; ++p) {
      rows.need(p - s.kd / 2, p + s.kd / 2 + 1);
      const float* g = dy.x + ((run.n * s.d + p) * s.h + run.h0) * s.w * s.co;
      if (!dy.plain()) {
        float* mine = gradients + thread * dy_floats;
        for (Index h = run.h0; h < run.h1; ++h) load_row(dy_loader, run.n, p, h, mine + (h - run.h0) * s.w * s.co);
        g = mine;
      }
      if (db) sum_channels(g, (run.h1 - run.h0) * s.w, s.co, my_sums + weight_floats);
      const auto ahead = [&](Index h) {
        rows.ahead(p + s.kd / 2 + 1, h);
        if (p + 1 < run.d1) prefetch_row(dy_loader, run.n, p + 1, h);
      };
      plane(rows, g, ahead, p, run.h0, run.h1, my_sums);
    }
  });
  add_thread_sums(stream, sums, sum_floats, weight_floats, s.co, dw, db);
}

/// The kernel for one input channel, where it fits.
auto* first_layer_of(const ConvShape& s) {
  const bool fits = s.ci == 1 && s.kd == 3 && s.kh == 3 && s.kw == 3 && s.w <= first_layer_width;
  return fits ? first_layer_product(s.co) : nullptr;
}

}  // namespace

void convolve_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  const bool rounds = stream.precision() == Precision::bfloat16;
  Ways ways(rounds ? Way::own : winograd4_pays(s) ? Way::winograd4 : winograd_pays(s) ? Way::winograd : Way::own);
  if (x.packed == nullptr && dy.packed == nullptr)  // what is packed only tiles read
    ways.or_else(Way::own, true)
        .or_else(Way::winograd, winograd_fits(s))
        .or_else(Way::winograd4, winograd4_fits(s))
        .or_else(Way::general, first_layer_of(s) != nullptr)
        .or_else(Way::floats, rounds && tiles_available());
  run_one_of(stream, "conv3d_weights", x.shape, dw.shape, ways,
             [&](Way a) { convolve_weights_by(a, stream, x, dy, dw, db); });
}

void convolve_weights_by(Way algorithm, Stream& stream, RowSource x, RowSource dy, View<float> dw, float* db) {
  const auto s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  if (stream.precision() == Precision::bfloat16) {
    if (algorithm == Way::own && tiles_available()) return convolve_tile_weights(stream, x, dy, dw, db);
    x.rounded = dy.rounded = true;
  }
  if (algorithm == Way::winograd4) return convolve_winograd4_weights(stream, s, x, dy, dw, db);
  if (algorithm == Way::winograd) return convolve_winograd_weights(stream, s, x, dy, dw, db);
  const auto product = blocked_weight_product(s.co);
  if (auto* first_layer = algorithm == Way::general ? nullptr : first_layer_of(s))
    return sum_planes(stream, s, x, dy, product.sums, dw.data, db,
                      [&](const InputRows<float>& rows, const float* g, const auto& ahead, Index plane, Index h0, Index h1,
                          float* sums) {
                        for (Index h = h0; h < h1; ++h) ahead(h);
                        first_layer(s, rows, plane, h0, h1, g, sums);
                      });
  const auto all_taps = [&](const InputRows<float>& rows, const float* g, const auto& ahead, Index plane, Index h_begin,
                            Index h_end, float* sums) {
    constexpr Index max_rows = 64;  // rows of a plane gathered before their taps are run over
    for (Index h0 = h_begin; h0 < h_end; h0 += max_rows) {
      const Index h1 = std::min(h_end, h0 + max_rows);
      for (Index i = 0; i < s.kd; ++i)
        for (Index j = 0; j < s.kh; ++j) {
          const float *in[max_rows], *out[max_rows];
          int count = 0;
          const Index tap = i * s.kh + j, taps = s.kd * s.kh;
          for (Index h = h0 + (h1 - h0) * tap / taps; h < h0 + (h1 - h0) * (tap + 1) / taps; ++h) ahead(h);
          for (Index h = h0; h < h1; ++h)
            if (const float* row = rows.row(plane + i - s.kd / 2, h + j - s.kh / 2)) {
              in[count] = row;
              out[count++] = g + (h - h_begin) * s.w * s.co;
            }
          add_weight_products(product, in, out, count, s.w, s.ci, s.co, s.run(), sums + tap * s.run() * s.co);
        }
    }
  };
  sum_planes(stream, s, x, dy, product.sums, dw.data, db, all_taps);
}

}  // namespace fringe::cpu

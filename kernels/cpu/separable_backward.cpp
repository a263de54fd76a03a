// Strategy: separable_pass.h. Plane by plane a thread makes g, dv and du and adds what they give to the weights' gradients; when
// all du that reach a plane of dx are there, that plane follows. Sums over a plane's voxels belong to the thread whose plane it is.
#include "kernels/cpu/convolution_line.h"
#include "kernels/cpu/convolution_weight_product.h"
#include "kernels/cpu/separable_pass.h"

namespace fringe::cpu {
namespace {

constexpr Index chunk = 8;  // rows that are gathered before their products with the gradient are summed
constexpr Index v_rows = chunk + 1;  // where two rows are made at once, one of them can belong to the next chunk

/// The gradient of one kernel and its bias: K runs of `ci` inputs by `co` outputs.
class LineWeights {
 public:
  LineWeights(Index taps, Index ci, Index co)
      : taps_(taps), ci_(ci), co_(co), product_(blocked_weight_product(co)) {}
  Index floats() const { return round_up((taps_ * ci_ + 1) * co_, 16); }

  /// Taps from `tap` on, `run` / ci of them, which read on along the row.
  void add(Index tap, Index run, const float** in, const float** out, int count, Index width, float* sums) const {
    if (count > 0) add_weight_products(product_, in, out, count, width, ci_, co_, run, sums + tap * ci_ * co_);
  }
  void add_bias(const float* dy, Index voxels, float* sums) const { product_.sums(dy, voxels, co_, sums + taps_ * ci_ * co_); }

  /// Adds what `threads` threads have summed, `stride` floats apart, in their order.
  void finish(Stream& stream, const float* sums, Index stride, View<float> dw, View<float> db) const {
    add_thread_sums(stream, sums, stride, taps_ * ci_ * co_, co_, dw.data, db.data);
  }

 private:
  Index taps_, ci_, co_;
  BlockedWeightProduct product_;
};

/// What the call is about, and how its work is cut.
struct Problem {
  ConvShape array;  ///< ci, co and the three extents of the kernels
  Index middle;
  LineConvolution to_v, to_dv, to_du, to_dx;
  LineWeights dww, dwh, dwd;
  bool wants_dx;
  Index planes, rows;  ///< of dx and du in one call
  ConvShape split;
  Index tiles, tile_rows, dv_rows;
  Index du_planes;     ///< in the ring

  Problem(const ConvShape& a, Index c, bool dx)
      : array(a), middle(c), to_v(a, Axis::h, a.kh, c, c), to_dv(a, Axis::w, a.kw, a.co, c), to_du(a, Axis::h, a.kh, c, c), to_dx(a, Axis::d, a.kd, c, a.ci),
        dww(a.kw, c, a.co), dwh(a.kh, c, c), dwd(a.kd, a.ci, c), wants_dx(dx), planes(dx ? to_dx.rows() : 1), rows(to_du.rows()),
        split(a), du_planes(a.kd + planes - 1) {
    split.d /= planes, split.h /= rows;
    tiles = separable_tiles(split.h, du_planes + 1, rows * a.w * c);
    tile_rows = (split.h + tiles - 1) / tiles * rows;
    dv_rows = std::min(a.h, tile_rows + a.kh - 1);
  }
  Index sum_floats() const { return dww.floats() + dwh.floats() + dwd.floats(); }
  Index g_row() const { return (array.w + array.kw - 1) * array.co; }
  Index v_row() const { return (array.w + array.kw - 1) * middle; }
  Index du_row() const { return array.w * middle; }
  Index x_row() const { return array.w * array.ci; }
};

/// The arrays of the call, and the prologues.
struct Operands {
  const Loader &x, &g;
  const float *u, *v;  ///< v may be nullptr
  View<float> dx;
};

/// One thread's planes.
class Planes {
 public:
  static Index floats(const Problem& p) {
    return p.sum_floats() + round_up(chunk * p.g_row(), 16) + round_up(v_rows * p.v_row(), 16) +
           round_up(p.dv_rows * p.du_row(), 16) + round_up(p.du_planes * p.tile_rows * p.du_row(), 16) +
           round_up(chunk * p.x_row(), 16);
  }
  Planes(const Problem& p, const Operands& o, EpilogueSums& sums, float* memory) : p_(p), o_(o), sums_(sums) {
    Pieces own(memory);
    dww_ = own.take(p.dww.floats()), dwh_ = own.take(p.dwh.floats()), dwd_ = own.take(p.dwd.floats());
    g_ = own.take(chunk * p.g_row()), v_ = own.take(v_rows * p.v_row());
    dv_ = own.take(p.dv_rows * p.du_row()), du_ = own.take(p.du_planes * p.tile_rows * p.du_row());
    x_ = own.take(chunk * p.x_row());
    std::fill_n(g_, chunk * p.g_row(), 0.0F);
    std::fill_n(v_, v_rows * p.v_row(), 0.0F);
  }

  void run(const PlaneRun& run) {
    n_ = run.n, tile_ = run.tile;
    h0_ = run.h0 * p_.rows, h1_ = run.h1 * p_.rows, d0_ = run.d0 * p_.planes, d1_ = run.d1 * p_.planes;
    const ConvShape& a = p_.array;
    e0_ = std::max<Index>(0, h0_ - a.kh / 2), e1_ = std::min(a.h, h1_ + a.kh / 2);
    // Without dx no du is needed but the thread's own, and those that meet its planes of x.
    Index ready = std::max<Index>(0, d0_ - a.kd / 2);
    for (Index d = d0_; d < d1_; d += p_.planes) {
      for (; ready < std::min(a.d, d + p_.planes + a.kd / 2); ++ready) make_du(ready, ready >= d0_ && ready < d1_);
      for (Index c0 = h0_; c0 < h1_; c0 += chunk) finish(d, c0, std::min(h1_, c0 + chunk));
    }
  }

 private:
  Index plane_at(Index d) const { return (n_ * p_.array.d + d) * p_.array.h; }  // in rows
  float* dx(Index d, Index h) const { return o_.dx.data + (plane_at(d) + h) * p_.x_row(); }
  float* dv(Index h) const { return dv_ + (h - e0_) * p_.du_row(); }
  float* du(Index d, Index h) const { return du_ + (d % p_.du_planes * p_.tile_rows + h - h0_) * p_.du_row(); }

  /// g, dv and du of plane d; with `mine` also what they give to dww and dwh.
  void make_du(Index d, bool mine) {
    const ConvShape& a = p_.array;
    const Index g_pad = a.kw / 2 * a.co, v_pad = a.kw / 2 * p_.middle, v_row = p_.du_row();
    const float *in[max_row_taps + 1], *out[chunk];
    bool ahead = false;  // the row behind the last chunk's is made already
    for (Index c0 = e0_; c0 < e1_; c0 += chunk) {
      const Index c1 = std::min(e1_, c0 + chunk);
      if (mine && o_.v == nullptr) ahead = make_v(d, c0, std::max(c0, h0_), std::min(c1, h1_), ahead);
      int count = 0;
      for (Index h = c0; h < c1; ++h) {
        float* g = g_ + (h - c0) * p_.g_row();
        if (h + 2 < e1_) prefetch_row(o_.g, n_, d, h + 2);
        load_row(o_.g, n_, d, h, g + g_pad);
        const float* row = g;
        p_.to_dv(&row, dv(h));
        if (!mine || h < h0_ || h >= h1_) continue;
        float* v = v_ + (h - c0) * p_.v_row();
        const Index at = (plane_at(d) + h) * v_row;
        if (o_.v) {
          if (h + 2 < h1_) prefetch(o_.v + at + 2 * v_row, v_row);
          prefetch(o_.u + at, v_row);
          std::copy_n(o_.v + at, v_row, v + v_pad);
        }
        p_.dww.add_bias(g + g_pad, a.w, dww_);
        in[count] = v, out[count++] = g + g_pad;
      }
      p_.dww.add(0, a.kw * p_.middle, in, out, count, a.w, dww_);
    }
    for (Index c0 = h0_; c0 < h1_; c0 += chunk) {
      const Index c1 = std::min(h1_, c0 + chunk);
      for (Index h = c0; h < c1; h += p_.rows) {
        for (Index j = 0; j < p_.to_du.reach(); ++j) {
          const Index from = h + j - a.kh / 2;
          in[j] = from < e0_ || from >= e1_ ? nullptr : dv(from);
        }
        p_.to_du(in, du(d, h), du(d, h + p_.rows - 1));
        for (Index r = h; r < h + p_.rows; ++r) if (d >= a.kd / 2) prefetch_row(o_.x, n_, d - a.kd / 2, r);  // where finish() is
      }
      if (!mine) continue;
      for (Index j = 0; j < a.kh; ++j) {
        int count = 0;
        for (Index h = c0; h < c1; ++h) {
          const Index from = h + j - a.kh / 2;
          if (from < 0 || from >= a.h) continue;
          in[count] = o_.u + (plane_at(d) + from) * p_.du_row(), out[count++] = dv(h);
        }
        p_.dwh.add(j, p_.middle, in, out, count, a.w, dwh_);
      }
      p_.dwh.add_bias(dv(c0), (c1 - c0) * a.w, dwh_);
    }
  }

  /// v of rows from .. to of the chunk that begins at c0, as forward made it. `ahead`: row `from` was made with the last chunk's and
  /// lies behind them; whether row `to` lies there now is returned.
  bool make_v(Index d, Index c0, Index from, Index to, bool ahead) {
    const Index pad = p_.array.kw / 2 * p_.middle;
    const auto place = [&](Index h) { return v_ + (h - c0) * p_.v_row() + pad; };
    if (ahead) {
      std::copy_n(place(c0 + chunk), p_.du_row(), place(from));
      ++from;
    }
    for (; from < to; from += p_.to_v.rows()) {
      const float* in[max_row_taps + 1];
      for (Index j = 0; j < p_.to_v.reach(); ++j) {
        const Index row = from + j - p_.array.kh / 2;
        in[j] = row < 0 || row >= p_.array.h ? nullptr : o_.u + (plane_at(d) + row) * p_.du_row();
      }
      if (from + 4 < h1_) prefetch(o_.u + (plane_at(d) + from + 4) * p_.du_row(), p_.to_v.rows() * p_.du_row());
      p_.to_v(in, place(from), place(from + p_.to_v.rows() - 1));
    }
    return from > to;
  }

  /// Rows c0 .. c1 of dx from plane d on, and of dwd.
  void finish(Index d, Index c0, Index c1) {
    const ConvShape& a = p_.array;
    const float *in[max_row_taps + 1], *out[chunk];
    for (Index h = c0; p_.wants_dx && h < c1; ++h) {
      for (Index j = 0; j < p_.to_dx.reach(); ++j) {
        const Index from = d + j - a.kd / 2;
        in[j] = from < 0 || from >= a.d ? nullptr : du(from, h);
      }
      p_.to_dx(in, dx(d, h), dx(d + p_.planes - 1, h));
    }
    for (Index plane = d; plane < d + p_.planes; ++plane) {
      const Index at = (plane_at(plane) + c0) * p_.x_row(), count = (c1 - c0) * p_.x_row();
      const float* x = o_.x.source.x + at;
      if (!o_.x.source.plain()) {
        for (Index h = c0; h < c1; ++h) load_row(o_.x, n_, plane, h, x_ + (h - c0) * p_.x_row());
        x = x_;
      }
      for (Index i = 0; i < a.kd; ++i) {  // the tap that this plane is to du i planes before it
        const Index from = plane + a.kd / 2 - i;
        if (from < 0 || from >= a.d) continue;
        for (Index h = c0; h < c1; ++h) in[h - c0] = x + (h - c0) * p_.x_row(), out[h - c0] = du(from, h);
        p_.dwd.add(i, a.ci, in, out, static_cast<int>(c1 - c0), a.w, dwd_);
      }
      p_.dwd.add_bias(du(plane, c0), (c1 - c0) * a.w, dwd_);
      if (!p_.wants_dx) continue;
      sums_.rows((n_ * p_.tiles + tile_) * a.d + plane, dx(plane, c0), at, count);
    }
  }

  const Problem& p_;
  const Operands& o_;
  EpilogueSums& sums_;
  float *dww_, *dwh_, *dwd_, *g_, *v_, *dv_, *du_, *x_;
  Index n_ = 0, tile_ = 0, h0_ = 0, h1_ = 0, d0_ = 0, d1_ = 0;
  Index e0_ = 0, e1_ = 0;  ///< rows of dv that the tile's du need
};

}  // namespace

void separable_backward(Stream& stream, const RowSource& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const RowSource& g, View<float> dx, const Epilogue& epilogue,
                        const SeparableWeights<View<float>>& d) {
  const Shape& e = x.shape;
  const Index co = g.shape.c;
  Problem p({e.n, e.d, e.h, e.w, e.c, co, k.wd.shape.n, k.wh.shape.d, k.ww.shape.h}, k.bd.shape.c, static_cast<bool>(dx));
  const Index pieces = e.n * p.tiles * e.d, mine = Planes::floats(p);
  Pieces memory(stream.scratch<float>(round_up(p.to_v.weight_floats(), 16) + round_up(p.to_dv.weight_floats(), 16) + round_up(p.to_du.weight_floats(), 16) +
                                      round_up(p.to_dx.weight_floats(), 16) + round_up(Loader::floats(x), 16) +
                                      round_up(Loader::floats(g), 16) + round_up(EpilogueSums::floats(epilogue, e.c, pieces), 16) +
                                      stream.threads() * mine));
  if (!v) p.to_v.pack(stream, {k.wh.data, false}, k.bh.data, memory.take(p.to_v.weight_floats()));
  p.to_dv.pack(stream, {k.ww.data, true}, nullptr, memory.take(p.to_dv.weight_floats()));
  p.to_du.pack(stream, {k.wh.data, true}, nullptr, memory.take(p.to_du.weight_floats()));
  p.to_dx.pack(stream, {k.wd.data, true}, nullptr, memory.take(p.to_dx.weight_floats()));
  const Loader x_loader(x, memory.take(Loader::floats(x))), g_loader(g, memory.take(Loader::floats(g)));
  EpilogueSums sums(epilogue, e.c, pieces, memory.take(EpilogueSums::floats(epilogue, e.c, pieces)));
  float* threads = memory.take(stream.threads() * mine);
  for (int t = 0; t < stream.threads(); ++t) std::fill_n(threads + t * mine, p.sum_floats(), 0.0F);
  const Operands operands{x_loader, g_loader, u.data, v.data, dx};
  for_each_plane_run(stream, p.split, p.tiles, [&](Index thread, const PlaneRun& run) {
    Planes(p, operands, sums, threads + thread * mine).run(run);
  });
  p.dww.finish(stream, threads, mine, d.ww, d.bw);
  p.dwh.finish(stream, threads + p.dww.floats(), mine, d.wh, d.bh);
  p.dwd.finish(stream, threads + p.dww.floats() + p.dwh.floats(), mine, d.wd, d.bd);
  sums.finish();
}

}  // namespace fringe::cpu

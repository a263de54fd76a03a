// The weight gradient by tiles: voxels are what is summed over, so that a plane of the input lies channel by channel
// and its gradient in pairs of voxels, both with rows padded to the same even length. Then every tap is a shift:
//
//   sums[tap][c][o] += sum over positions p of input[c][p + shift of the tap] * gradient[p][o],   0 where p is padding
//
// one long sum over whole planes, 32 positions a tile. Sums are kept for pieces of the planes that the shape alone
// fixes and added in their order, so that results do not depend on the number of threads.
#include <optional>

#include "kernels/cpu/convolution_planes.h"
#include "kernels/cpu/convolution_weight_product.h"

namespace fringe::cpu {
namespace {

constexpr Index chunk = 32;  // positions of one tile

/// Many pieces keep many threads busy, few are added up sooner.
Index piece_count(Index planes, Index sum_floats) {
  return std::min(planes, std::clamp<Index>((Index{1} << 19) / sum_floats, 2, 16));
}

/// Hands the planes of (n, tile of H, d) to the threads, piece by piece, and adds the pieces' sums: to the first's.
/// with(thread, use) calls use(ring), whose begin(n, h0, h1) and add(d, sums) are called for the thread's planes.
template <class With>
void sum_pieces(Stream& stream, const ConvShape& s, Index tiles, Index pieces, Index sum_floats, float* sums,
                const With& with) {
  const Index planes = s.n * tiles * s.d, workers = std::min<Index>(stream.threads(), pieces);
  parallel_tasks(stream, workers, [&](Index worker) {
    with(worker, [&](auto& ring) {
      Index column = -1;
      for (Index piece = pieces * worker / workers; piece < pieces * (worker + 1) / workers; ++piece) {
        float* mine = sums + piece * sum_floats;
        std::fill_n(mine, sum_floats, 0.0F);
        for (Index at = planes * piece / pieces; at < planes * (piece + 1) / pieces; ++at) {
          if (at / s.d != column) {
            column = at / s.d;
            const Index tile = column % tiles;
            ring.begin(column / tiles, s.h * tile / tiles, s.h * (tile + 1) / tiles);
          }
          ring.add(at % s.d, mine);
        }
      }
    });
  });
  parallel_ranges(stream, sum_floats, 1 << 10, [&](Index begin, Index end) {
    for (Index piece = 1; piece < pieces; ++piece)
      for (Index i = begin; i < end; ++i) sums[i] += sums[piece * sum_floats + i];
  });
}

/// Products that share a gradient's tiles, four at a time.
class FourProducts {
 public:
  FourProducts(Index stride, const bfloat16* shared, Index chunks)
      : stride_(stride), shared_(shared), chunks_(chunks) {}
  void add(const bfloat16* in, float* sums) {
    in_[count_] = in;
    sums_[count_] = sums;
    if (++count_ == 4) flush();
  }
  void flush() {
    if (count_ > 0) tile_weights(in_, stride_, shared_, chunks_, sums_, count_);
    count_ = 0;
  }

 private:
  Index stride_;
  const bfloat16* shared_;
  Index chunks_;
  const bfloat16* in_[4];
  float* sums_[4];
  int count_ = 0;
};

/// How planes lie, and how their sums do.
struct TilePlanes {
  ConvShape s;
  Index tiles = tile_count(s);
  Index rows = (s.h + tiles - 1) / tiles;   // of the gradient, in the largest tile
  Index row = round_up(s.w + s.kw - 1, 2);  // positions from row to row
  Index chunks = (rows * row + chunk - 1) / chunk;
  Index in_blocks = (s.ci + 15) / 16, out_blocks = (s.co + 15) / 16;
  Index stride = round_up((rows + s.kh - 1) * row + 2 * chunk, chunk);  // from channel to channel; what is over is zero
  Index in_plane = (s.ci < 16 ? s.ci : 16 * in_blocks) * stride;
  Index gradient_plane = out_blocks * chunks * chunk * tile_channels;
  Index sum_tiles = s.kd * s.kh * s.kw * in_blocks * out_blocks;
  Index sum_floats = sum_tiles * 256 + round_up(s.co, 16);  // of a piece; the channels' sums are last
  Index planes = s.n * tiles * s.d;
  Index pieces = piece_count(planes, sum_floats);
};

/// The data gradient of a kernel along W, made from the same rows of the gradient.
struct AlongW {
  ConvShape s;  ///< of the data gradient
  Product<bfloat16> product;
  Index blocks;
  Result dx;
  const bfloat16* weights = nullptr;
  const float* zeros = nullptr;

  AlongW(const ConvShape& forward, const Result& to)
      : s{forward.n, forward.d, forward.h, forward.w, forward.co, forward.ci, 1, 1, forward.kw},
        product(s.co, s.ci, s.run(), s.w), blocks((s.co + product.block() - 1) / product.block()), dx(to) {}
  Index weight_floats() const { return floats_of<bfloat16>(blocks * product.tap_size()); }
  Index zero_floats() const { return round_up(product.block(), 16); }
  void pack(const float* w, float* memory, float* zero) {
    auto* packed = reinterpret_cast<bfloat16*>(memory);
    for (Index b = 0; b < blocks; ++b) {
      const auto numbers = [&](Index k, float* to) {
        weight_row(s, {w, true}, k / s.ci, k % s.ci, b * product.block(), product.block(), to);
      };
      product.pack_tap(numbers, packed + b * product.tap_size());
    }
    std::fill_n(zero, zero_floats(), 0.0F);
    weights = packed, zeros = zero;
  }
  /// A padded row of the gradient, and rows as they are needed by it: with what tiles read beyond the last one.
  Index row() const { return s.padded_row(); }
  Index plane_floats(Index rows) const { return floats_of<bfloat16>(rows * row() + 64); }
  /// Of `rows` rows of the gradient, those of dx from `at` on.
  void convolve(const bfloat16* from, Index rows, Index at) const {
    const Product<bfloat16>::Scope scope(product);
    for (Index b = 0; b < blocks; ++b)
      for (Index h = 0; h < rows; ++h) {
        const RowTap<bfloat16> tap{from + h * row(), 0};
        product(s.w, s.ci, dx.at(at + h * s.w * s.co + b * product.block()), s.co, std::min(product.block(), s.co - b * product.block()),
                &tap, 1, weights + b * product.tap_size(), zeros);
      }
  }
};

/// One thread's planes: a ring of Kd of the input, one of the gradient, and where the data gradient is wanted, too, one of its rows.
class PlaneRing {
 public:
  static Index floats(const TilePlanes& p, const AlongW* data) {
    return round_up(p.s.kd * p.in_plane / 2, 16) + round_up(p.gradient_plane / 2, 16) + line(p) + (data ? data->plane_floats(p.rows) : 0);
  }
  PlaneRing(const TilePlanes& p, const Loader& x, const Loader& dy, const AlongW* data, ChannelSums* sum_channels, float* memory)
      : p_(p),
        x_(x),
        dy_(dy),
        data_(data),
        sum_channels_(sum_channels),
        input_(reinterpret_cast<bfloat16*>(memory)),
        gradient_(reinterpret_cast<bfloat16*>(memory + round_up(p.s.kd * p.in_plane / 2, 16))),
        line_(memory + round_up(p.s.kd * p.in_plane / 2, 16) + round_up(p.gradient_plane / 2, 16)),
        padded_(reinterpret_cast<bfloat16*>(line_ + line(p))) {
    if (data) std::fill_n(padded_, 2 * data->plane_floats(p.rows), bfloat16{});
  }

  /// Another sample, or other rows of it: nothing is kept.
  void begin(Index n, Index h0, Index h1) {
    n_ = n, h0_ = h0, h1_ = h1, ready_ = 0;
    std::fill_n(input_, p_.s.kd * p_.in_plane, bfloat16{});
    std::fill_n(gradient_, p_.gradient_plane, bfloat16{});
  }

  /// Adds plane d's products to the sums of its piece.
  void add(Index d, float* sums) {
    const ConvShape& s = p_.s;
    ready_ = std::max(ready_, d - s.kd / 2);
    for (; ready_ <= std::min(d + s.kd / 2, s.d - 1); ++ready_) load_input(ready_);
    load_gradient(d, sums + p_.sum_tiles * 256);
    if (data_) data_->convolve(padded_, h1_ - h0_, row_at(d, h0_) * s.ci);
    const TileScope scope({std::min<Index>(16, s.ci), chunk});
    const Index steps = p_.out_blocks * p_.in_blocks * s.kd * s.kh * s.kw;
    Index step = 0;
    for (Index ob = 0; ob < p_.out_blocks; ++ob) {
      FourProducts products(p_.stride, gradient_ + ob * p_.chunks * chunk * tile_channels, chunks_);
      for (Index cb = 0; cb < p_.in_blocks; ++cb)
        for (Index i = 0; i < s.kd; ++i) {
          const Index from = d + i - s.kd / 2;
          for (Index jk = 0; jk < s.kh * s.kw; ++jk, ++step) {
            ahead(d + 1, step, steps);
            if (from < 0 || from >= s.d) continue;
            products.add(plane(from) + cb * 16 * p_.stride + jk / s.kw * p_.row + jk % s.kw,
                         sums + (((i * s.kh * s.kw + jk) * p_.in_blocks + cb) * p_.out_blocks + ob) * 256);
          }
        }
      products.flush();
    }
  }

 private:
  static Index line(const TilePlanes& p) { return round_up(p.s.w * std::max(p.s.ci, p.s.co), 16); }
  bfloat16* plane(Index d) const { return input_ + d % p_.s.kd * p_.in_plane; }
  /// The first voxel of a row, counted in voxels.
  Index row_at(Index d, Index h) const { return ((n_ * p_.s.d + d) * p_.s.h + h) * p_.s.w; }

  /// Asks for a share of what plane d will be made of while there is something else to compute.
  void ahead(Index d, Index share, Index shares) const {
    const Index rows = h1_ - h0_;
    for (Index h = h0_ + rows * share / shares; h < h0_ + rows * (share + 1) / shares; ++h) {
      prefetch_row(dy_, n_, d, h);
      prefetch_row(x_, n_, d + p_.s.kd / 2, h);
    }
  }
  void load_input(Index d) {
    const ConvShape& s = p_.s;
    const Index first = h0_ - s.kh / 2;
    for (Index h = std::max<Index>(0, first); h < std::min(s.h, h1_ + s.kh / 2); ++h) {
      bfloat16* to = plane(d) + (h - first) * p_.row + s.kw / 2;
      if (x_.source.packed) {
        transpose_row(x_.source.packed + row_at(d, h) * s.ci, s.w, s.ci, s.ci, to, p_.stride);
      } else {
        load_row(x_, n_, d, h, line_);
        transpose_row(line_, s.w, s.ci, s.ci, to, p_.stride);
      }
    }
  }
  void load_gradient(Index d, float* channel_sums) {
    const ConvShape& s = p_.s;
    chunks_ = ((h1_ - h0_) * p_.row + chunk - 1) / chunk;
    for (Index h = h0_; h < h1_; ++h) {
      bfloat16* to = gradient_ + (h - h0_) * p_.row * tile_channels;
      const Index stride = p_.chunks * chunk * tile_channels;
      if (const bfloat16* packed = dy_.source.packed) {
        sum_row(packed + row_at(d, h) * s.co, s.w, s.co, channel_sums);
        pair_row(packed + row_at(d, h) * s.co, s.w, s.co, s.co, to, stride);
      } else {
        load_row(dy_, n_, d, h, line_);
        sum_channels_(line_, s.w, s.co, channel_sums);
        pair_row(line_, s.w, s.co, s.co, to, stride);
        if (data_) round_row(line_, s.w * s.co, padded_ + (h - h0_) * data_->row() + s.kw / 2 * s.co);
      }
    }
  }

  const TilePlanes& p_;
  const Loader &x_, &dy_;
  const AlongW* data_;
  ChannelSums* sum_channels_;
  bfloat16 *input_, *gradient_;
  float* line_;
  bfloat16* padded_;
  Index n_ = 0, h0_ = 0, h1_ = 0, ready_ = 0, chunks_ = 0;
};

/// Along one axis: whether output 2i - 1 + m reads input i through tap k. Its own place is (2i - 1 + m + k - 1) / 2,
/// rounded down.
bool meets(Index m, Index k) { return m + k == 2 || m + k == 3; }

/// The same over an array read upsampled: the taps are 64, of the small array's voxels i and the large gradient's 2i -
/// 1 + m, m = 0 .. 3 along each axis. The gradient is what is shifted: it lies channel by channel, apart for even and
/// odd h and w, and the input in pairs.
struct UpsampledPlanes {
  ConvShape s;  ///< extents of the small array
  Index tiles;
  Index rows = (s.h + tiles - 1) / tiles;
  Index row = round_up(s.w + 2, 2);
  Index chunks = (rows * row + chunk - 1) / chunk;
  Index in_blocks = (s.ci + 15) / 16, out_blocks = (s.co + 15) / 16;
  Index stride = round_up((rows + 2) * row + 2 * chunk, chunk);
  Index channels = s.co < 16 ? s.co : 16 * out_blocks;
  Index parity_plane = channels * stride;  // one of the four of a large plane
  Index in_plane = in_blocks * chunks * chunk * tile_channels;
  Index ones_plane = chunks * chunk * tile_channels;
  Index sum_tiles = 64 * out_blocks * in_blocks;  // then out_blocks more, whose first column sums the gradient
  Index sum_floats = (sum_tiles + out_blocks) * 256;
  Index planes = s.n * tiles * s.d;
  Index pieces = piece_count(planes, sum_floats);
};

class UpsampledRing {
 public:
  static Index floats(const UpsampledPlanes& p) {
    return large(p) + round_up((p.in_plane + p.ones_plane) / 2, 16) + line(p);
  }
  UpsampledRing(const UpsampledPlanes& p, const Loader& x, const Loader& dy, float* memory)
      : p_(p),
        x_(x),
        dy_(dy),
        gradient_(reinterpret_cast<bfloat16*>(memory)),
        input_(reinterpret_cast<bfloat16*>(memory + large(p))),
        ones_(input_ + p.in_plane),
        line_(memory + floats(p) - line(p)) {}

  void begin(Index n, Index h0, Index h1) {
    n_ = n, h0_ = h0, h1_ = h1, ready_ = 0;
    chunks_ = ((h1 - h0) * p_.row + chunk - 1) / chunk;
    std::fill_n(gradient_, 16 * p_.parity_plane, bfloat16{});
    std::fill_n(input_, p_.in_plane + p_.ones_plane, bfloat16{});
    std::fill_n(line_, p_.s.w, 1.0F);
    for (Index h = 0; h < h1 - h0; ++h) pair_row(line_, p_.s.w, 1, 1, ones_ + h * p_.row * tile_channels, 0);
  }

  void add(Index d, float* sums) {
    const ConvShape& s = p_.s;
    ready_ = std::max(ready_, 2 * d - 1);
    for (; ready_ < std::min(2 * d + 3, 2 * s.d); ++ready_) load_gradient(ready_);
    for (Index h = h0_; h < h1_; ++h) {
      load_row(x_, n_, d, h, line_);
      pair_row(line_, s.w, s.ci, s.ci, input_ + (h - h0_) * p_.row * tile_channels, p_.chunks * chunk * tile_channels);
    }
    for (Index cb = 0; cb < p_.in_blocks; ++cb) {
      FourProducts products(p_.stride, input_ + cb * p_.chunks * chunk * tile_channels, chunks_);
      for (Index ob = 0; ob < p_.out_blocks; ++ob)
        for (Index m = 0; m < 64; ++m) {
          const Index from = 2 * d - 1 + m / 16;
          if (from < 0 || from >= 2 * s.d) continue;
          products.add(shifted(from, m / 4 % 4, m % 4, ob),
                       sums + ((m * p_.out_blocks + ob) * p_.in_blocks + cb) * 256);
        }
      products.flush();
    }
    FourProducts products(p_.stride, ones_, chunks_);
    for (Index ob = 0; ob < p_.out_blocks; ++ob)
      for (Index m = 0; m < 8; ++m) {  // every voxel of the large array once
        products.add(shifted(2 * d + m / 4, 1 + m / 2 % 2, 1 + m % 2, ob), sums + (p_.sum_tiles + ob) * 256);
        products.flush();  // they have one sum
      }
  }

 private:
  static Index large(const UpsampledPlanes& p) { return round_up(16 * p.parity_plane / 2, 16); }
  static Index line(const UpsampledPlanes& p) { return round_up(p.s.w * std::max(p.s.ci, 2 * p.s.co), 16); }
  /// Even and odd voxels of a large plane, by the parities of h and w.
  bfloat16* parity(Index d, Index h, Index w) const { return gradient_ + (d % 4 * 4 + h * 2 + w) * p_.parity_plane; }
  /// Voxels 2i - 1 + m of the large array: odd ones of i - 1, even of i, odd of i, even of i + 1. Rows and voxels begin
  /// at -1.
  const bfloat16* shifted(Index d, Index mh, Index mw, Index block) const {
    return parity(d, (mh + 1) % 2, (mw + 1) % 2) + block * 16 * p_.stride + (mh + 1) / 2 * p_.row + (mw + 1) / 2;
  }
  void load_gradient(Index d) {
    const ConvShape& s = p_.s;
    for (Index h = std::max<Index>(0, 2 * h0_ - 2); h < std::min(2 * s.h, 2 * h1_ + 2); ++h) {
      load_row(dy_, n_, d, h, line_);
      for (Index w = 0; w < 2; ++w)
        transpose_row(line_ + w * s.co, s.w, 2 * s.co, s.co, parity(d, h % 2, w) + (h / 2 - h0_ + 1) * p_.row + 1,
                      p_.stride);
    }
  }

  const UpsampledPlanes& p_;
  const Loader &x_, &dy_;
  bfloat16 *gradient_, *input_, *ones_;
  float* line_;
  Index n_ = 0, h0_ = 0, h1_ = 0, ready_ = 0, chunks_ = 0;
};

/// The weight gradient, and the data gradient where there are weights.
void tile_gradients(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db, const float* weights,
                    const Result* dx) {
  const TilePlanes p{conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c)};
  const ConvShape& s = p.s;
  std::optional<AlongW> along_w;
  if (dx) along_w.emplace(s, *dx);
  AlongW* const data = dx ? &*along_w : nullptr;
  const Index ring = round_up(PlaneRing::floats(p, data), 16);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      p.pieces * p.sum_floats + stream.threads() * ring +
                                      (data ? data->weight_floats() + data->zero_floats() : 0)));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  if (data) {
    float* packed = memory.take(data->weight_floats());
    data->pack(weights, packed, memory.take(data->zero_floats()));
  }
  float* sums = memory.take(p.pieces * p.sum_floats);
  float* rings = memory.take(stream.threads() * ring);
  ChannelSums* sum_channels = blocked_weight_product(s.co).sums;
  sum_pieces(stream, s, p.tiles, p.pieces, p.sum_floats, sums, [&](Index thread, const auto& use) {
    PlaneRing planes(p, x_loader, dy_loader, data, sum_channels, rings + thread * ring);
    use(planes);
  });
  for (Index t = 0; t < p.sum_tiles; ++t) {  // from tiles to the weights' own order
    const Index ob = t % p.out_blocks, cb = t / p.out_blocks % p.in_blocks, tap = t / p.out_blocks / p.in_blocks;
    for (Index c = 0; c < std::min<Index>(16, s.ci - 16 * cb); ++c)
      std::copy_n(sums + t * 256 + c * tile_channels, std::min(tile_channels, s.co - ob * tile_channels),
                  dw.data + (tap * s.ci + cb * 16 + c) * s.co + ob * tile_channels);
  }
  if (db) std::copy_n(sums + p.sum_tiles * 256, s.co, db);
}

}  // namespace

void convolve_tile_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db) {
  tile_gradients(stream, x, dy, dw, db, nullptr, nullptr);
}
void convolve_tile_gradients(Stream& stream, const RowSource& x, const RowSource& dy, ConstView<float> w, View<float> dw, float* db,
                             const Result& dx) {
  require(w.shape.n == 1 && w.shape.d == 1, "conv3d: both gradients at once are for kernels along W, weights have shape {}", w.shape.str());
  tile_gradients(stream, x, dy, dw, db, w.data, &dx);
}

void convolve_upsampled_tile_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw,
                                     float* db) {
  const ConvShape s = conv_shape(x.shape, dw.shape, x.shape.c, dy.shape.c);
  ConvShape split = s;
  split.w *= 8, split.ci = s.co;
  const UpsampledPlanes p{s, tile_count(split)};
  const Index ring = round_up(UpsampledRing::floats(p), 16);
  Pieces memory(stream.scratch<float>(round_up(Loader::floats(x), 16) + round_up(Loader::floats(dy), 16) +
                                      p.pieces * p.sum_floats + stream.threads() * ring));
  const Loader x_loader(x, memory.take(Loader::floats(x))), dy_loader(dy, memory.take(Loader::floats(dy)));
  float* sums = memory.take(p.pieces * p.sum_floats);
  float* rings = memory.take(stream.threads() * ring);
  sum_pieces(stream, s, p.tiles, p.pieces, p.sum_floats, sums, [&](Index thread, const auto& use) {
    const TileScope scope({std::min<Index>(16, s.co), chunk});
    UpsampledRing planes(p, x_loader, dy_loader, rings + thread * ring);
    use(planes);
  });
  // From the 64 sums, whose rows are output channels, to the 27 taps: along an axis tap k reads what outputs 2i-1+m of
  // input i are.
  parallel_tasks(stream, 27 * p.in_blocks, [&](Index task) {
    const Index tap = task / p.in_blocks, cb = task % p.in_blocks;
    for (Index ob = 0; ob < p.out_blocks; ++ob) {
      float total[256] = {};
      for (Index m = 0; m < 64; ++m)
        if (meets(m / 16, tap / 9) && meets(m / 4 % 4, tap / 3 % 3) && meets(m % 4, tap % 3))
          for (Index i = 0; i < 256; ++i) total[i] += sums[((m * p.out_blocks + ob) * p.in_blocks + cb) * 256 + i];
      for (Index c = 0; c < std::min<Index>(16, s.ci - 16 * cb); ++c)
        for (Index o = 0; o < std::min<Index>(16, s.co - 16 * ob); ++o)
          dw.data[(tap * s.ci + cb * 16 + c) * s.co + ob * 16 + o] = total[o * 16 + c];
    }
  });
  for (Index o = 0; db && o < s.co; ++o) db[o] = sums[(p.sum_tiles + o / 16) * 256 + o % 16 * 16];
}

}  // namespace fringe::cpu

// What all convolutions that write an array share: scratch memory, the loop over planes, the input rows, the epilogue.
#pragma once
#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_product.h"
#include "kernels/cpu/convolution_rows.h"

namespace fringe::cpu {

/// Where weight (tap i, j, k, input c, output o) is read from: the weights themselves, or flipped and transposed for
/// the data gradient.
struct WeightSource {
  const float* w;
  bool flipped;
  bool rounded = false;  ///< to bfloat16, kept as floats
};

/// The weights of one tap and input channel, for `count` output channels from `first` on; zeros where there are no
/// more.
void weight_row(const ConvShape& s, WeightSource source, Index tap, Index c, Index first, Index count, float* to);
/// Weights in the order a product with blocks of `block` output channels reads them: [block][tap][ci][channel of the
/// block].
void pack_weights(Stream& stream, const ConvShape& s, WeightSource source, Index block, float* packed);

/// The products of one convolution whose rows are of E: output channels of one call, the order of weights, the call.
template <class E>
class Product;

template <>
class Product<float> {
 public:
  Product(Index co, Index step, Index run, Index /*width*/) : run_(run), product_(blocked_product(co, step)) {}
  Index block() const { return product_.block; }
  /// Elements of the weights of one row tap and block.
  Index tap_size() const { return run_ * product_.block; }
  /// numbers(k, to): the weights that input k of the run meets, one for each channel of the block.
  template <class Numbers>
  void pack_tap(const Numbers& numbers, float* to) const {
    for (Index k = 0; k < run_; ++k) numbers(k, to + k * product_.block);
  }
  void operator()(Index width, Index step, const Result& to, Index stride, Index valid, const RowTap<float>* taps,
                  int count, const float* weights, const float* bias) const {
    product_.row({width, step, run_, to.y, stride, valid}, taps, count, weights, bias);
  }
  /// What the thread needs while it computes.
  struct Scope {
    explicit Scope(const Product&) {}
  };

 private:
  Index run_;
  BlockedProduct product_;
};

template <>
class Product<bfloat16> {
 public:
  Product(Index co, Index /*step*/, Index run, Index width)
      : run_(run), tiles_(co > tile_channels ? 2 : 1), shape_(tile_shape(width, run)) {}
  Index block() const { return tiles_ * tile_channels; }
  Index tap_size() const { return tap_elements(shape_, run_, tiles_); }
  template <class Numbers>
  void pack_tap(const Numbers& numbers, bfloat16* to) const {
    const Index padded = tap_size() / block();
    for (Index k = 0; k < padded; k += 2) {
      float rows[2][2 * tile_channels] = {};
      for (Index i = 0; i < 2 && k + i < run_; ++i) numbers(k + i, rows[i]);
      pack_pair(shape_, tiles_, k, rows[0], rows[1], to);
    }
  }
  void operator()(Index width, Index step, const Result& to, Index stride, Index valid, const RowTap<bfloat16>* taps,
                  int count, const bfloat16* weights, const float* bias) const {
    tile_product({width, step, run_, to.y, to.packed, stride, valid, to.past_cache()}, shape_, tiles_, taps, count,
                 weights, bias);
  }
  struct Scope : TileScope {
    explicit Scope(const Product& p) : TileScope(p.shape_) {}
  };

 private:
  Index run_, tiles_;
  TileShape shape_;
};

/// Floats of memory that so many elements need.
template <class E>
Index floats_of(Index elements) {
  return round_up(elements * Index{sizeof(E)} / Index{sizeof(float)}, 16);
}

/// The scratch memory of an operation that writes an array: its weights, what loader and sums keep, a ring of input
/// rows for each thread.
struct PlaneScratch {
  Pieces memory;
  float* weights;
  Loader loader;
  EpilogueSums sums;
  float *rings, *buffers;

  PlaneScratch(Stream& stream, Index weight_floats, const RowSource& x, const Epilogue& e, Index channels, Index pieces,
               Index ring, Index buffer = 0)
      : memory(stream.scratch<float>(round_up(weight_floats, 16) + round_up(Loader::floats(x), 16) +
                                     round_up(EpilogueSums::floats(e, channels, pieces), 16) +
                                     stream.threads() * (ring + buffer))),
        weights(memory.take(weight_floats)),
        loader(x, memory.take(Loader::floats(x))),
        sums(e, channels, pieces, memory.take(EpilogueSums::floats(e, channels, pieces))),
        rings(memory.take(stream.threads() * ring)),
        buffers(memory.take(stream.threads() * buffer)) {}
};

/// Computes y, whose rows come in groups of `row_step`: prepare(weights) fills `weight_floats` floats, then
/// row(input rows, weights, plane, h0, h1, first output row) is called for the tiles of all planes, while a Scope of
/// `state` lives on the thread.
template <class E, class Scope, class State, class Prepare, class Row>
void convolve_planes(Stream& stream, const ConvShape& s, Index row_step, const RowSource& x, const Result& y,
                     const Epilogue& e, const State& state, Index weight_floats, const Prepare& prepare,
                     const Row& row) {
  ConvShape split = s;
  split.h /= row_step;  // threads and tiles divide groups of rows
  const Index tiles = tile_count(split), pieces = s.n * tiles * s.d;
  const Index rows_of_tile = std::min(s.h, ((split.h + tiles - 1) / tiles + 1) * row_step + s.kh);
  const Index ring = InputRows<E>::scratch(x, s.kd, rows_of_tile, s.w, s.kw / 2);
  // A plane of a large result is finished in the cache and leaves it without having been read.
  const Index buffer =
      std::is_same_v<E, bfloat16> && y.y && y.past_cache() ? round_up(std::min(s.h, rows_of_tile) * s.w * s.co, 16) : 0;
  PlaneScratch scratch(stream, weight_floats, x, e, s.co, pieces, ring, buffer);
  prepare(scratch.weights);
  for_each_plane_run(stream, split, [&](Index thread, PlaneRun run) {
    run.h0 *= row_step, run.h1 *= row_step;
    [[maybe_unused]] const Scope scope(state);
    InputRows<E> rows = input_rows<E>(scratch.loader, s, run, scratch.rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(plane - s.kd / 2, plane + s.kd / 2 + 1);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      const Index piece = (run.n * tiles + run.tile) * s.d + plane, count = (run.h1 - run.h0) * s.w * s.co;
      if (buffer > 0) {
        float* mine = scratch.buffers + thread * buffer;
        row(rows, scratch.weights, plane, run.h0, run.h1, Result({mine, y.shape}));
        scratch.sums.rows(piece, mine, at, count);
        write_past_cache(mine, count, y.y + at);
        continue;
      }
      row(rows, scratch.weights, plane, run.h0, run.h1, y.at(at));
      if (y.y) scratch.sums.rows(piece, y.y + at, at, count);
    }
  });
  scratch.sums.finish();
}

/// The same with the float kernels, which keep nothing on the thread.
struct NoScope {
  explicit NoScope(int) {}
};
template <class Prepare, class Row>
void convolve_planes(Stream& stream, const ConvShape& s, Index row_step, const RowSource& x, const Result& y,
                     const Epilogue& e, Index weight_floats, const Prepare& prepare, const Row& row) {
  convolve_planes<float, NoScope>(stream, s, row_step, x, y, e, 0, weight_floats, prepare, row);
}

// Eight output channels on vectors of sixteen, two voxels at once. kernels/cpu/convolution_pairs.cpp
constexpr Index paired_channels = 8;
/// Two neighbours along W: Kd * Kh row taps, each a run of (Kw + 1) * Ci; the weights, and the bias of both behind them.
void pack_pairs_along_w(Stream& stream, const ConvShape& s, WeightSource source, const float* bias, float* packed);
/// Two neighbours along H, kernel 1 x Kh x 1: Kh + 1 row taps, each a run of Ci.
void pack_pairs_along_h(Stream& stream, const ConvShape& s, WeightSource source, const float* bias, float* packed);
/// Floats before the bias.
Index pair_floats_along_w(const ConvShape& s);
Index pair_floats_along_h(const ConvShape& s);
/// Of the memory that either needs.
Index pair_weight_floats(const ConvShape& s);

/// Whether the next one can: eight output channels, vectors of sixteen, an even extent along which there are several taps.
bool pairs_fit(const ConvShape& s);
void convolve_pairs(Stream& stream, ConvShape s, const RowSource& x, WeightSource source, const float* bias,
                    const Result& y, const Epilogue& e);

}  // namespace fringe::cpu

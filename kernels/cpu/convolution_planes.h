// What all convolutions that write an array share: scratch memory, the loop over planes, the input rows, the epilogue.
#pragma once
#include "kernels/cpu/convolution_epilogue.h"
#include "kernels/cpu/convolution_product.h"
#include "kernels/cpu/convolution_rows.h"

namespace fringe::cpu {

/// Where weight (tap i, j, k, input c, output o) is read from: the weights themselves, or flipped and transposed for the
/// data gradient.
struct WeightSource {
  const float* w;
  bool flipped;
};

/// Weights in the order a product with blocks of `block` output channels reads them: [block][tap][ci][channel of the block].
void pack_weights(Stream& stream, const ConvShape& s, WeightSource source, Index block, float* packed);

/// The scratch memory of an operation that writes an array: its weights, what loader and sums keep, a ring of input rows for each
/// thread.
struct PlaneScratch {
  Pieces memory;
  float* weights;
  Loader loader;
  EpilogueSums sums;
  float* rings;

  PlaneScratch(Stream& stream, Index weight_floats, const RowSource& x, const Epilogue& e, Index channels, Index pieces, Index ring)
      : memory(stream.scratch<float>(round_up(weight_floats, 16) + round_up(Loader::floats(x), 16) +
                                     round_up(EpilogueSums::floats(e, channels, pieces), 16) + stream.threads() * ring)),
        weights(memory.take(weight_floats)), loader(x, memory.take(Loader::floats(x))),
        sums(e, channels, pieces, memory.take(EpilogueSums::floats(e, channels, pieces))), rings(memory.take(stream.threads() * ring)) {}
};

/// Computes y, whose rows come in groups of `row_step`: prepare(weights) fills `weight_floats` floats, then
/// row(input rows, weights, plane, h0, h1, first output row) is called for the tiles of all planes.
template <class Prepare, class Row>
void convolve_planes(Stream& stream, const ConvShape& s, Index row_step, const RowSource& x, float* y, const Epilogue& e,
                     Index weight_floats, const Prepare& prepare, const Row& row) {
  ConvShape split = s;
  split.h /= row_step;  // threads and tiles divide groups of rows
  const Index tiles = tile_count(split), pieces = s.n * tiles * s.d;
  const Index rows_of_tile = std::min(s.h, ((split.h + tiles - 1) / tiles + 1) * row_step + s.kh);
  const Index ring = InputRows::scratch(x, s.kd, rows_of_tile, s.w, s.kw / 2);
  PlaneScratch scratch(stream, weight_floats, x, e, s.co, pieces, ring);
  prepare(scratch.weights);
  for_each_plane_run(stream, split, [&](Index thread, PlaneRun run) {
    run.h0 *= row_step, run.h1 *= row_step;
    InputRows rows = input_rows(scratch.loader, s, run, scratch.rings + thread * ring);
    for (Index plane = run.d0; plane < run.d1; ++plane) {
      rows.need(plane - s.kd / 2, plane + s.kd / 2 + 1);
      const Index at = ((run.n * s.d + plane) * s.h + run.h0) * s.w * s.co;
      row(rows, scratch.weights, plane, run.h0, run.h1, y + at);
      scratch.sums.rows((run.n * tiles + run.tile) * s.d + plane, y + at, at, (run.h1 - run.h0) * s.w * s.co);
    }
  });
  scratch.sums.finish();
}

/// Eight output channels on vectors of sixteen; true when it has been done. kernels/cpu/convolution_pairs.cpp
bool convolve_pairs(Stream& stream, ConvShape s, const RowSource& x, WeightSource source, const float* bias, float* y,
                    const Epilogue& e);

}  // namespace fringe::cpu

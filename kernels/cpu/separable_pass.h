// The separable block in one pass over planes: what is between its three convolutions is read where it was just written.
//
// Three passes read or write, forward, six arrays (x, u twice, v twice, y), backward sixteen. One pass: four forward, and six
// backward (dz pooled, y, v, u, x and dx), one less each where v is not kept.
//
// | file                   | what stays in the L2 cache                                                                   |
// |------------------------|----------------------------------------------------------------------------------------------|
// | separable_forward.cpp  | Kd planes of in(x), rows of u and v                                                          |
// | separable_backward.cpp | Kd planes of du, one of dv, rows of g and v; a thread computes the du beside its planes once more  |
#pragma once
#include "kernels/cpu/convolution.h"
#include "kernels/fused_separable_conv3d.h"

namespace fringe::cpu {

/// Whether one pass is the faster way: arrays that leave the L2 cache anyway, and enough planes for each thread, in float32.
bool separable_in_one_pass(const Stream& stream, const Shape& full, Index ci, Index middle, Index co);

/// As fused_separable_conv3d's, for x that is not read upsampled. Forward u and v may be empty, backward v: then its rows are
/// made from those of u once more where they are needed, which costs a ninth of the block's products in a step and saves an array.
void separable_forward(Stream& stream, float slope, const RowSource& x, const SeparableWeights<ConstView<float>>& k, View<float> u,
                       View<float> v, View<float> y, float* statistics);
void separable_backward(Stream& stream, const RowSource& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const RowSource& g, View<float> dx, const Epilogue& epilogue,
                        const SeparableWeights<View<float>>& d);

/// Tiles of H: `planes` planes of a tile of rows of `row` floats in the L2 cache.
inline Index separable_tiles(Index height, Index planes, Index row) {
  constexpr Index cache_floats = (512 << 10) / sizeof(float);
  const Index rows = std::max<Index>(8, cache_floats / (planes * row));
  return (height + rows - 1) / rows;
}

}  // namespace fringe::cpu

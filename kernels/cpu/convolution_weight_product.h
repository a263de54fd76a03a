// The products that weight gradients are made of: sums over the voxels of some rows,
//
//   dw[k][o] += sum over rows r and voxels w of in_r[w * step + k] * dy_r[w * dy_step + o]
#pragma once
#include "kernels/cpu/convolution_rows.h"

namespace fringe::cpu {

/// `count` rows of `width` voxels of inputs and of the gradient that meets them.
struct WeightRows {
  const float* const* in;
  const float* const* dy;
  int count;
  Index width;
  Index step, dy_step;  ///< floats from one voxel to the next
};

/// k < run; o < valid, at most one block; `co` floats from dw[k] to dw[k + 1].
using WeightProduct = void(const WeightRows& rows, Index run, Index co, Index valid, float* dw);
/// db[o] += sum over `rows` rows of `co` floats.
using ChannelSums = void(const float* dy, Index rows, Index co, float* db);

struct BlockedWeightProduct {
  Index block;  ///< output channels of one call
  WeightProduct* product;
  ChannelSums* sums;
};
BlockedWeightProduct blocked_weight_product(Index co);

/// One output channel.
void single_weight_product(const WeightRows& rows, Index run, float* dw);

/// All `co` output channels, a block after the other. dy: of the rows, and moved on.
inline void add_weight_products(const BlockedWeightProduct& product, const float* const* in, const float** dy, int count, Index width,
                                Index ci, Index co, Index run, float* dw) {
  const WeightRows rows{in, dy, count, width, ci, co};
  if (co == 1) return single_weight_product(rows, run, dw);
  for (Index o = 0; o < co; o += product.block) {
    product.product(rows, run, co, std::min(product.block, co - o), dw + o);
    for (int r = 0; r < count; ++r) dy[r] += product.block;
  }
}

/// Adds what the threads have summed, `stride` floats apart, in their order: `weights` numbers to dw, `channels` more to db, if any.
inline void add_thread_sums(Stream& stream, const float* sums, Index stride, Index weights, Index channels, float* dw, float* db) {
  parallel_ranges(stream, weights + (db ? channels : 0), 1 << 10, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) {
      float sum = sums[i];
      for (int t = 1; t < stream.threads(); ++t) sum += sums[t * stride + i];
      (i < weights ? dw[i] : db[i - weights]) = sum;
    }
  });
}

/// One input channel, 3x3x3: rows h0 <= h < h1 of a plane and their gradient at dy. nullptr where registers are too few for it,
/// or for other numbers of output channels. s.w at most first_layer_width.
using FirstLayerProduct = void(const ConvShape& s, const InputRows<float>& rows, Index plane, Index h0, Index h1,
                               const float* dy, float* dw);
FirstLayerProduct* first_layer_product(Index co);
constexpr Index first_layer_width = 4000;

}  // namespace fringe::cpu

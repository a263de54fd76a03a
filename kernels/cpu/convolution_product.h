// The small matrix product that convolutions are made of:
//
//   y[w, co] = bias[co] + sum over the row taps t and k < run of row_t[w * step + k] * weights[tap_t][k][co]
//
// for one row of output voxels w and one block of output channels.
#pragma once
#include "kernels/cpu/convolution_shape.h"

namespace fringe::cpu {

/// A row of outputs as the micro-kernel sees it: `width` voxels, `step` inputs from one to the next, `run` inputs each.
struct OutputRow {
  Index width, step, run;
  float* y;
  Index stride;             ///< elements from one output voxel to the next
  Index valid;              ///< of them written
  float* second = nullptr;  ///< the upper half of each voxel's vector goes there, the lower to y
};

/// weights: [tap][run][block] and bias: [block], 64-byte aligned, zero in the channels of the block that are not `valid`.
using RowProduct = void(const OutputRow& out, const RowTap<float>* taps, int count, const float* weights, const float* bias);

struct BlockedProduct {
  Index block;  ///< output channels of one call
  RowProduct* row;
};

/// For `co` output channels and this step.
BlockedProduct blocked_product(Index co, Index step);

/// The one that has vectors of sixteen channels; row is nullptr on machines whose vectors are shorter.
BlockedProduct sixteen_product(Index step);

/// One output channel: y[w] = bias + sum over the taps and k < run of row_t[w * step + k] * weights[tap_t][k].
void single_product(const OutputRow& out, const RowTap<float>* taps, int count, const float* weights, float bias);

/// to[o] = sum over `count` rows of rows[r][o], o < length.
void add_rows(const float* const* rows, int count, Index length, float* to);

}  // namespace fringe::cpu

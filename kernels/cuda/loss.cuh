// The operands of a loss of one sample: prediction, target, weight (1 where there is none).
#pragma once
#include "kernels/cuda/reduce.cuh"
#include "kernels/view.h"

namespace fringe::cuda {

struct LossOperands {
  const float* p;
  const float* t;
  const float* w;  ///< nullptr: 1 everywhere
  Index count;     ///< elements of a sample
  Index w_stride;  ///< from sample to sample; 0: the same for all

  LossOperands(ConstView<float> prediction, ConstView<float> target, ConstView<float> weights)
      : p(prediction.data), t(target.data), w(weights.data), count(prediction.shape.per_sample()),
        w_stride(weights && weights.shape.n > 1 ? count : 0) {}

  __device__ Index first() const { return static_cast<Index>(blockIdx.y) * count; }  ///< of the current sample
  __device__ float weight(Index i) const { return w == nullptr ? 1.0F : w[static_cast<Index>(blockIdx.y) * w_stride + i]; }
  __device__ float prediction(Index i) const { return p[first() + i]; }
  __device__ float target(Index i) const { return t[first() + i]; }
};

/// Blocks for a kernel over samples and their pieces.
inline dim3 sample_grid(Index count, Index samples) { return dim3(sample_pieces(count), static_cast<unsigned>(samples)); }

}  // namespace fringe::cuda

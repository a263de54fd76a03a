// What of a pattern enters a fit, as tensors.
#pragma once
#include "apps/phasing/coherence.h"
#include "apps/phasing/metrics.h"
#include "engine/tensor.h"

namespace fringe {

/// Of the measured voxels that are not in `free`, which may be empty.
struct FitVoxels {
  FitVoxels(Context<float>& host, const Pattern& pattern, const Mask& free);

  Tensor<float> amplitude, weights;  ///< (1,D,H,W,1), in host memory: sqrt(I) and 1 where a voxel enters, else 0
  double photons = 0, largest = 0;   ///< sum and maximum of I
  Index count = 0;
};

/// Coherence::update() by a coherent modulus (1,D,H,W,1) in host memory, on the scale of the amplitudes.
void fit_widths(Coherence& coherence, const FitVoxels& measured, const Tensor<float>& modulus);

}  // namespace fringe

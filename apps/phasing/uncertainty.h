// How far aligned objects are apart, voxel by voxel.
//
//   amplitude: mean m = 1/M sum_k |x_k|,   standard deviation sqrt( sum_k (|x_k| - m)^2 / (M - 1) )                       (1)
//   phase:     mean p = arg sum_k x_k,     standard deviation sqrt( M / (M - 1) sum_k |x_k| d_k^2 / sum_k |x_k| ),
//              d_k = arg(x_k) - p, brought into (-pi, pi]                                                               (2)
//
// A phase counts as much as there is crystal under it; where there is none both are 0. One object: no deviations, all 0.
#pragma once
#include "apps/phasing/fourier.h"

namespace fringe {

struct Uncertainty {
  Volume<float> amplitude_mean, amplitude_std;
  Volume<float> phase_mean, phase_std;  ///< [rad]
};

/// Objects of equal extents, at least one.
Uncertainty uncertainty(const std::vector<Volume<Complex>>& objects);

}  // namespace fringe

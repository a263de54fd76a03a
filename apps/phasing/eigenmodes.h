// What many aligned objects have in common: their principal modes.
//
//   X = [x_1 ... x_M] = U S V^H,   mode_j = s_j u_j / sqrt(M),   weight_j = s_j^2 / sum_k s_k^2                          (1)
//
// The first mode is the object of the given norm (on average) that is nearest to all of them; where all agree it is their mean,
// and its weight is 1. The phase of v_j is chosen such that sum_k conj(v_jk) >= 0. Computed from the M x M matrix X^H X by
// Jacobi's rotations; cost M^2 voxels. Favre-Nicolin et al., J. Appl. Cryst. 53, 1404 (2020), doi 10.1107/S1600576720010985,
// rank solutions by it.
#pragma once
#include "apps/phasing/fourier.h"

namespace fringe {

struct Eigenmodes {
  std::vector<Volume<Complex>> modes;  ///< of falling weight, at most as many as were asked for
  std::vector<double> weights;         ///< of all M
};

/// Objects of equal extents, at least one. Throws Error when they are all zero.
Eigenmodes eigenmodes(const std::vector<Volume<Complex>>& objects, Index most);

}  // namespace fringe

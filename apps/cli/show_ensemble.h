// The picture of an ensemble: the average crystal and how uncertain it is, voxel by voxel; the distributions of the starts
// (Fig. 5 of Wu et al. 2021); how far the phases are reproduced.
#pragma once
#include <string>

#include "apps/phasing/pattern.h"

namespace fringe::cli {

/// Throws Error when the file cannot be written or the build has no Cairo.
void draw_ensemble(const Reconstruction& ensemble, const std::string& title, const std::string& output);

}  // namespace fringe::cli

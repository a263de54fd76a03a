// The likeliest crystal of nearly uniform density, given the photons.
//
// Where photons are few, many densities explain them equally well, and the likeliest is grainy: it draws the noise. A crystal's
// density is nearly uniform, which this fit of the single voxels believes to a degree:
//   (1)  minimise  sum over the voxels of the fit of LLK(|F|^2)  +  strength * V * P
// LLK of kernels/poisson_loss.h, P of kernels/uniform_density.h, V = sum (a / level)^2 the crystal's size in voxels. A strength of
// k says that densities scatter by about 1 / sqrt(2 k) of the level: 13 % at 30, 1 % at 3000. From a weak prior to a strong one, each
// from where the one before ended: a strong one at once would keep the shape that it finds.
//
// Whether a crystal is that uniform only its photons tell. Voxels that the surface cuts are not, at 3000 they are rounded to full or
// empty ones. So the fits are candidates, to be compared on voxels held out (docs/phase.md).
#pragma once
#include <atomic>
#include <functional>
#include <limits>
#include <vector>

#include "apps/phasing/metrics.h"
#include "engine/context.h"

namespace fringe {

struct UniformDensityOptions {
  std::vector<double> strengths{30, 100, 300, 1000, 3000};
  Index steps = 150;    ///< of ADAM for each
  double rate = 0.03;   ///< change of amplitude [density level] and phase [rad] per step, falling as a cosine for each strength
  double margin = 0.02; ///< density given to the empty voxels around the crystal [density level]
  /// Fits the pattern's partial coherence as well, by turns of `coherence_interval` steps (Coherence::update).
  bool fits_coherence = false;
  Index coherence_interval = 25;
  double time_limit = std::numeric_limits<double>::infinity();  ///< [s]; strengths that are not over by then are left out
};

struct UniformDensityFit {
  double strength = 0;
  Volume<Complex> object;  ///< in units of the first object's density level
  double loss = 0;         ///< (1) per voxel of the fit
  std::array<double, 3> coherence{};  ///< that it was fitted under (Pattern::coherence)
};

/// `object`: of half the pattern's extent. `free`: voxels held out of (1), may be empty. Of every strength that came to its end, in
/// their order; `progress` hears the share done.
std::vector<UniformDensityFit> fit_uniform_density(Context<float>& context, const Pattern& pattern, const Mask& free,
                                                   const Volume<Complex>& object, const UniformDensityOptions& options,
                                                   const std::function<void(double share)>& progress, const std::atomic<int>& stop);

}  // namespace fringe

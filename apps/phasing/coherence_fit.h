// Is the illumination partially coherent, and how much?
//
// The widths of the Gaussian kernel of kernels/partial_coherence.h are found together with the crystal: by turns the single voxels
// are fitted to the photons (kernels/poisson_loss.h) under the illumination as it is believed to be, and the widths to the
// amplitudes of the crystal as it is then (Coherence::update). Blur explains some of any misfit; so the same number of steps is
// made under coherent illumination, and voxels that neither fit has seen decide.
#pragma once
#include <atomic>
#include <functional>
#include <optional>

#include "apps/phasing/metrics.h"
#include "engine/context.h"

namespace fringe {

struct CoherenceFitOptions {
  Index rounds = 8, steps = 20;  ///< turns, and steps of ADAM in each
  double rate = 0.03;            ///< of amplitudes [density level] and phases [rad], falling as a cosine
};

struct CoherenceFit {
  std::array<double, 3> widths{};  ///< along D, H, W [voxels of Q]
  Volume<Complex> object;          ///< fitted with them
  Difference gain;                 ///< by how much the free LLK is smaller than that of the coherent fit
  /// Five standard errors: what few bright voxels cost is not normally distributed, and a blur that is not there would spoil all that
  /// follows. At three, one of sixty coherent patterns was taken for a blurred one (docs/phase.md).
  bool significant() const { return gain.mean > 5 * gain.standard_error; }
};

/// `object` as retrieved under coherent illumination, of half the pattern's extent; `free`: the held-out voxels, not empty.
/// Nothing when it was stopped.
std::optional<CoherenceFit> fit_coherence(Context<float>& context, const Pattern& pattern, const Mask& free,
                                          const Volume<Complex>& object, const CoherenceFitOptions& options,
                                          const std::function<void(double share)>& progress, const std::function<bool()>& stop);

}  // namespace fringe

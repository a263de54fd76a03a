// Where the crystal may be: the first guess, and the shrink-wrap that follows what phasing finds (Marchesini et al., Phys. Rev.
// B 68, 140101 (2003), doi 10.1103/PhysRevB.68.140101). A support has half the pattern's extent along every axis and the
// crystal in its middle.
#pragma once
#include "apps/phasing/metrics.h"
#include "kernels/shrink_support.h"

namespace fringe {

/// All of the half array: what the paper begins with.
Mask box_support(const Extent& pattern_extent);

/// From the autocorrelation, the transform of the intensities: r belongs to the support when the autocorrelation at `stretch` r
/// is at least `threshold` of its maximum. The autocorrelation of a convex crystal is its own shape doubled (less asymmetric
/// than it), hence a stretch below 2.
Mask autocorrelation_support(const Pattern& pattern, double threshold = 0.04, double stretch = 1.5, int threads = 1);

struct ShrinkWrap {
  Index start = 100, step = 10;      ///< iterations
  Index stop = 0;                    ///< no more from here on; 0: the last block of the recipe
  double threshold = 0.15, last_threshold = 0.4;  ///< of the starts: spread geometrically from one to the other
  ThresholdOf of = ThresholdOf::level;
  double sigma = 2, last_sigma = 0.7;  ///< of the Gaussian [voxels], falling geometrically
  double decay = 0.5;                ///< share of the shrink-wraps after which last_sigma is reached
  double least = 5e-4, most = 0.125; ///< share of the pattern's voxels the support has; the threshold gives way
};

/// The threshold of start number `start`: the golden ratio's multiples, so that any few starts cover the range evenly.
double threshold_of(const ShrinkWrap& options, Index start);

/// The support of an object of half the pattern's extent, with `margin` voxels more on all sides (PhaseIterator::centre), at
/// this threshold and Gaussian width.
Mask shrink_wrap(const Volume<Complex>& object, Index margin, const Mask& before, const ShrinkWrap& options,
                 double threshold, double sigma);

/// |object| convolved with a Gaussian of `sigma` voxels, cut at three sigma (or the array's edge, where it is renormalised).
Volume<float> blurred_amplitude(const Volume<Complex>& object, double sigma);

/// By how many whole voxels the support has to be moved for its centre of mass to be its array's; 0 when that would push voxels
/// of it out.
std::array<Index, 3> centring_shift(const Mask& support);
/// Moved by whole voxels; what leaves the array is lost.
Mask moved(const Mask& support, const std::array<Index, 3>& shift);

Index voxels_in(const Mask& support);

/// Where the object is not zero.
Mask occupied(const Volume<Complex>& object);

/// The half of the support with d at or above its centre of mass: breaks the symmetry between the twins.
Mask half_of(const Mask& support);

}  // namespace fringe

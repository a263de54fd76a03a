// A crystal from elsewhere, as the beginning of another retrieval.
#pragma once
#include "apps/phasing/fourier.h"

namespace fringe {

/// `object`, of any extent up to the pattern's, in the half array that a retrieval works in: its centre of mass in the middle
/// (to a voxel), its mean phase zero, its values otherwise as they are. Throws Error when it is zero or not finite, has more
/// voxels than the pattern, or more than a thousandth of its energy does not fit into the half array.
Volume<Complex> starting_object(const Volume<Complex>& object, const Extent& pattern);

}  // namespace fringe

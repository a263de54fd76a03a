// Phases that a complex density has only modulo 2 pi, made continuous.
#pragma once
#include "apps/io/volume.h"

namespace fringe {

struct UnwrappedPhase {
  Volume<float> phase;  ///< [rad], 0 outside the support
  int parts = 0;        ///< pieces of the support that touch nowhere; each is continuous by itself
};

/// arg(object) + 2 pi m(r) inside `support` (1 = inside), m whole numbers, so that neighbours differ by less than pi wherever
/// the phase allows it. Pairs of neighbours are joined in the order of their reliability, the sum of that of their voxels;
/// a voxel is reliable where its second differences are small (Abdul-Rahman et al., Appl. Opt. 46, 6623 (2007), doi
/// 10.1364/AO.46.006623, here over the six nearest directions and for supports of any shape). Each part is moved by the
/// multiple of 2 pi that brings its mean closest to zero. Around a dislocation no phase is continuous: a jump of 2 pi stays,
/// where the phase is least reliable. O(V log V) for V voxels inside.
UnwrappedPhase unwrap(const Volume<Complex>& object, const Volume<std::uint8_t>& support);

}  // namespace fringe

// What the phase of a Bragg crystal says of its lattice: displacement and strain along the scattering vector.
#pragma once
#include "apps/phasing/geometry.h"

namespace fringe {

/// The gradient of a phase on an orthogonal grid of (z, y, x) with voxels of `voxel` [m; the same order], as the plane that
/// fits the 26 neighbours inside the support best:
///
///   g(r) = argmin sum_j ( arg(f_j conj f_0) - g . (r_j - r) )^2                                               (1)
///
/// Differences between neighbours need no unwrapping, so that no jump of it enters. Component along `direction` (x, y, z;
/// of any length), in rad/m; 0 outside, and where the neighbours do not determine the plane.
Volume<float> phase_gradient(const Volume<Complex>& object, const Volume<std::uint8_t>& support,
                             const std::array<double, 3>& voxel, const Vector3& direction);

/// Displacement of the lattice along Q, u = -phase / |Q| [m], and strain, its derivative along Q,
/// e = -(grad phase . Q) / |Q|^2. The sign belongs to F(Q) = sum rho exp(-i Q.r): planes moved by u along Q give rho the
/// phase -Q u, and a wider spacing (e > 0) moves the peak to smaller |Q|. It is the same for both twins; where in the crystal
/// it is, is not.
Volume<float> displacement(const Volume<float>& unwrapped_phase, const Vector3& bragg);
Volume<float> strain(const Volume<Complex>& object, const Volume<std::uint8_t>& support, const std::array<double, 3>& voxel,
                     const Vector3& bragg);

}  // namespace fringe

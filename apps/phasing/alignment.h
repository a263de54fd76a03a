// Removes what a diffraction pattern cannot decide about its object: where it is, its overall phase, and which of the two
// twins rho(r) and conj(rho(-r)) it is.
#pragma once
#include "apps/phasing/fourier.h"

namespace fringe {

struct AlignOptions {
  bool subvoxel = true;  ///< refine the shift to fractions of a voxel; false: whole voxels, nothing is interpolated
  bool twin = true;      ///< try the twin, too
  /// Take linear phase ramps off both objects first (remove_ramp): a measured pattern is centred to a voxel at best, and a
  /// pattern shifted by q belongs to the same object times exp(2 pi i q.r / N).
  bool remove_ramp = false;
  int threads = 1;
};

struct Alignment {
  /// The moved object, scaled and turned in phase to fit best, on the padded grid: extents of the two objects added, so
  /// that nothing wraps around. pad_or_crop() brings it back to another extent.
  ComplexField object;
  ComplexField reference;          ///< the reference on the same grid, less its ramp if that was asked for
  std::array<double, 3> shift{};   ///< by which the object (or its twin) was moved along D, H, W [voxels]
  bool twin = false;               ///< the twin was the better one
  double phase = 0;                ///< added to the object's [rad]
  double scale = 1;                ///< the object was multiplied by it
  double error = 0;                ///< sqrt(1 - |c|^2), c the normalised correlation after alignment: 0 = equal
};

/// Moves `object` onto `reference`: the shift that maximises |C(v)|^2,
///
///   C(v) = sum_k G(k) conj(F(k)) exp(2 pi i k.v / M),                                                   (1)
///
/// F and G the transforms of object and reference zero-padded to M voxels; the largest voxel of the cross-correlation first,
/// then Newton's method on (1) with its exact gradient and Hessian. Throws Error when one of them is zero or not finite.
Alignment align(const Volume<Complex>& object, const Volume<Complex>& reference, const AlignOptions& options = {});

/// conj(rho(-r)): the other solution of the same pattern. Extents are unchanged; for even ones the first layer of voxels
/// has no counterpart and comes out as zero.
Volume<Complex> twin_of(const Volume<Complex>& object);

/// `object` moved by `shift` voxels by Fourier interpolation; what leaves the array on one side enters on the other.
ComplexField shifted(const ComplexField& object, const std::array<double, 3>& shift, int threads = 1);

/// `object` times the linear phase ramp that brings the centre of mass of its pattern |F|^2 to Q = 0. Returns the ramp
/// taken off, in voxels of the padded (doubled) array's pattern.
std::array<double, 3> remove_ramp(Volume<Complex>& object, int threads = 1);

}  // namespace fringe

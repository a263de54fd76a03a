// From a diffractometer's angles to the reciprocal-space steps of a rocking curve, and from those to the real-space voxels
// of the crystal. Laboratory frame as in CXI: z along the beam, y up, x = y cross z. SI units, angles in radians.
#pragma once
#include <string>
#include <vector>

#include "apps/phasing/pattern.h"

namespace fringe {

using Vector3 = std::array<double, 3>;  ///< x, y, z

double dot(const Vector3& a, const Vector3& b);
Vector3 cross(const Vector3& a, const Vector3& b);
double length(const Vector3& a);
Vector3 scaled(const Vector3& a, double factor);
/// `v` turned about `axis` (of any length) by `angle`, right-handed.
Vector3 turned(const Vector3& v, const Vector3& axis, double angle);
/// The triple product of three vectors: positive where they are right-handed.
double determinant(const Basis& b);

/// A circle of the diffractometer at an angle (or, of a scan, at a step of it).
struct Rotation {
  Vector3 axis{};
  double angle = 0;
};

/// What is needed to place a rocking curve in reciprocal space. Directions and axes are those with all circles at zero.
struct Diffractometer {
  double energy = 0;               ///< [J]
  double distance = 0;             ///< sample to detector [m]
  double pixel_height = 0;         ///< from row to row [m]
  double pixel_width = 0;          ///< from column to column [m]
  Vector3 row{0, -1, 0};           ///< where the next row is; rows are counted downwards
  Vector3 column{1, 0, 0};         ///< where the next column is
  std::vector<Rotation> detector;  ///< circles of the detector's arm, the one that carries the others first
  std::vector<Rotation> carriers;  ///< circles of the sample that carry the scanned one, likewise
  Rotation scan;                   ///< turn of the sample from frame to frame
  /// Row and column of the frames that the angles of the arm belong to: where the direct beam arrives with the arm at
  /// zero. Not given: the angles are taken to be those of the pattern's centre.
  std::optional<std::array<double, 2>> reference_pixel;

  /// A detector that turns by `delta` about the vertical and is raised by `gamma`, and a sample that turns about the
  /// vertical: 34-ID-C.
  static Diffractometer two_circle(double delta, double gamma, double rocking_step);
};

/// Where in reciprocal space a pattern lies:
///
///   p = R (distance z + (row - row0) height r + (column - column0) width c),  k' = k p / |p|,  Q = k' - k z,     (1)
///
/// R the product of the arm's rotations. Steps per raw voxel: along rows and columns the derivatives of (1); along frames
/// -angle n cross Q, n the scanned axis as its carriers turn it, because Q, fixed in the laboratory by the pixel, turns the
/// other way in the sample. The sample is meant as it stands in the frame at the pattern's centre.
///
/// Fills energy, distance, pixel sizes, basis_vectors (times `geometry.binning`) and bragg of a pattern of `extent` voxels
/// whose binning and origin are in `geometry`. `name` is what messages call the diffractometer. Throws Error when the Bragg
/// angle is zero or the three steps do not span space.
void locate(Geometry& geometry, const Diffractometer& diffractometer, const Extent& extent, const std::string& name);

/// Raw frame, row and column of the middle of the voxel at index extent / 2; between two raw ones for an even binning.
Vector3 raw_centre(const Geometry& geometry, const Extent& extent);

/// Voxel vectors along D, H, W [m] of the object that belongs to a pattern of `extent` voxels with these reciprocal steps:
///
///   A = 2 pi (B diag N)^-T                                                                                     (2)
///
/// Throws Error when B is singular: its unit vectors span less than a thousandth of a cube.
Basis real_basis(const Basis& reciprocal, const Extent& extent);

/// Angle between incident and diffracted beam [rad], and the spacing of the lattice planes [m], from |Q| = 2 k sin(theta)
/// and |Q| = 2 pi / d. The energy must be known for the first.
double two_theta(const Geometry& geometry);
double lattice_spacing(const Geometry& geometry);

}  // namespace fringe

// Simulated crystals and their diffraction patterns (Wu et al., npj Comput. Mater. 7, 175 (2021), Methods).
#pragma once
#include "apps/phasing/fourier.h"
#include "apps/phasing/pattern.h"
#include "apps/phasing/random.h"
#include "kernels/crystal.h"

namespace fringe {

struct Range {
  double low = 0, high = 0;
};

enum class CrystalShape {
  /// ( |x/a|^(2/e) + |y/b|^(2/e) )^(e/n) + |z/c|^(2/n) <= 1                                              (1)
  superellipsoid,
  /// A cubic crystal with {100}, {110} and {111} facets: n_i.x <= d_i for its 26 facet normals n_i, each distance d_i
  /// drawn by itself, so that the crystal is convex and has no centre of symmetry.
  polyhedron,
};

/// How crystals are drawn. Lengths are fractions of n = size / 2, the extent of the object's array.
struct CrystalOptions {
  Index size = 64;  ///< N, the pattern's extent [voxels]
  CrystalShape shape = CrystalShape::superellipsoid;
  Range semi_axis{0.15, 0.36};    ///< a, b, c; polyhedron: distance of its facets from the centre
  Range exponent{0.3, 1.2};       ///< e, n of (1)
  Range correlation{0.08, 0.3};   ///< lengths Lx, Ly, Lz over which the phase changes
  double phase_range = 1;         ///< the phase inside covers exactly [0, phase_range] [rad]; 0: flat
  bool smooth_edge = false;       ///< edge voxels get the share of them that is inside; false: 0 or 1, as in the paper
};

/// What is drawn for crystal number `index` of the series that `seed` names, in its order: forms until one fits, then lengths.
class CrystalDraw {
 public:
  CrystalDraw(const CrystalOptions& options, std::uint64_t seed, std::uint64_t index);
  CrystalForm next_form();                    ///< throws Error when a thousand were not to be had
  std::array<double, 3> correlation_lengths();  ///< Lx, Ly, Lz of (2) [voxels]
  /// Whether a crystal of this volume [voxels] is no splinter: more than 1.5 % of its array; and lies within it.
  bool fits(double volume, bool touches_faces) const;

 private:
  CrystalOptions options_;
  double n_;
  Random random_;
  int drawn_ = 0;
};

/// Crystal number `index` of the series that `seed` names: amplitude 1 inside, phase a Gaussian-correlated random field
///
///   phi = scale (noise * exp(-(x/Lx)^2 - (y/Ly)^2 - (z/Lz)^2)) + offset                                 (2)
///
/// inside and 0 outside, in an array of n^3 voxels whose outermost layer is empty. Orientation uniform on SO(3).
/// Throws Error when the options are out of range, or no crystal of them fits.
Volume<Complex> make_crystal(const CrystalOptions& options, std::uint64_t seed, std::uint64_t index = 0,
                             int threads = 1);

/// |F|^2 of `object` zero-padded to `extent`: (1) of fourier.h. Unscaled: sum = N^3 sum |object|^2.
Volume<double> diffract(const Volume<Complex>& object, const Extent& extent, int threads = 1);

/// What is recorded of the diffracted intensity.
struct Exposure {
  double photons = 1e7;  ///< expected in all, over the whole array
  bool noise = false;    ///< each voxel a Poisson deviate of its expected number; false: that number itself
  std::array<double, 3> coherence{};  ///< as Pattern::coherence, which the pattern does not tell
};

/// The pattern of `crystal`, with the crystal as its truth.
Pattern expose(const Volume<Complex>& crystal, const Exposure& exposure, std::uint64_t seed, std::uint64_t index = 0,
               int threads = 1);

/// A population of crystals, and how they are exposed: what sets are drawn from.
struct Population {
  CrystalOptions crystal;        ///< but for shape and phase_range, which are drawn:
  double polyhedra = 0;          ///< share of the crystals that are polyhedra; the others are superellipsoids
  Range phase_range{1, 1};       ///< [rad], uniform
  Range photons{0, 0};           ///< uniform in the logarithm, each voxel with Poisson noise; 0: 1e7, no noise
};

/// How one crystal of a population was drawn.
struct Specimen {
  CrystalOptions crystal;
  Exposure exposure;
};

/// Number `index` of the series that `seed` names. The crystal itself is make_crystal(specimen.crystal, seed, index), so that a
/// population without spread is the series of its CrystalOptions. Throws Error when the ranges make no sense.
Specimen draw_specimen(const Population& population, std::uint64_t seed, std::uint64_t index);

/// Draws the first crystal, for its errors. Throws Error when the population cannot be drawn.
void try_population(const Population& population, std::uint64_t seed);

/// Geometry of a pattern of `extent` voxels whose object has cubic voxels of `voxel_size` [m].
Geometry cubic_geometry(const Extent& extent, double voxel_size);

}  // namespace fringe

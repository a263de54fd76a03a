// A retrieved crystal brought from the sheared voxels of its rocking curve to an orthogonal grid of the laboratory.
#pragma once
#include "apps/phasing/geometry.h"

namespace fringe {

struct LabOptions {
  double voxel = 0;        ///< edge of the cubic voxels of the grid [m]; 0: as large as the sheared ones by volume
  bool keep_ramp = false;  ///< measure displacement against the lattice of the pattern's centre, not the crystal's mean one
  Index margin = 3;        ///< voxels around the support
};

/// Arrays are (z, y, x), indices growing with the coordinates (z along the beam, y up, x = y cross z), so that x is fastest.
struct LabObject {
  Volume<Complex> object;
  Volume<std::uint8_t> support;
  Volume<float> phase;         ///< unwrapped [rad], 0 outside
  Volume<float> displacement;  ///< along Q [m], 0 outside; empty where Q is not known
  Volume<float> strain;        ///< along Q, 0 outside; empty where Q is not known
  double voxel = 0;            ///< edge [m]
  Vector3 origin{};            ///< x, y, z of the first voxel [m]; the crystal's centre of mass lies at 0
  Geometry geometry;           ///< of the pattern it comes from
  Extent pattern_extent{};
  std::map<std::string, double> metrics;  ///< volume [m^3], size_x, ... [m], lattice_spacing [m], strain_rms, ...
  std::string command, version, sample, start_time;
};

/// Resamples by cubic convolution (Keys, IEEE Trans. ASSP 29, 1153 (1981), doi 10.1109/TASSP.1981.1163711) of the complex
/// density with its phase ramp taken off, so that neighbouring voxels differ little in phase and their mean has their
/// amplitude; the support linearly, inside where it is at least 1/2. The ramp is the one that brings the centre of mass of
/// |F|^2 to Q = 0, which belongs to the crystal's mean lattice; its phase is put back with `keep_ramp`.
/// Throws Error when the geometry has no reciprocal basis, or a singular one, or the support is empty.
LabObject to_laboratory(const Reconstruction& r, const LabOptions& options = {}, int threads = 1);

}  // namespace fringe

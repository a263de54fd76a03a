// A measured (or simulated) diffraction pattern with its mask and geometry, and the crystal retrieved from it: the two
// things that fringe's commands read and write (as CXI files, apps/io/cxi.h).
#pragma once
#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apps/io/volume.h"

namespace fringe {

/// Three vectors; as a reciprocal-space basis the steps of one voxel along D, H, W.
using Basis = std::array<std::array<double, 3>, 3>;

/// What is known of the measurement; all SI. Everything is optional: phasing itself needs none of it.
struct Geometry {
  std::optional<double> energy;        ///< photon energy [J]
  std::optional<double> distance;      ///< sample to detector [m]
  std::optional<double> pixel_size_x;  ///< along W [m], of the unbinned detector
  std::optional<double> pixel_size_y;  ///< along H [m], of the unbinned detector
  /// Reciprocal-space step of one voxel of the stored array along D, H, W, each a vector [1/m] with the 2 pi included.
  std::optional<Basis> basis_vectors;
  /// Scattering vector Q at the pattern's centre [1/m], laboratory frame (z along the beam, y up), the 2 pi included.
  std::optional<std::array<double, 3>> bragg;
  Extent binning{1, 1, 1};        ///< raw voxels per stored voxel, along D, H, W
  Extent origin{0, 0, 0};         ///< raw index of the stored array's first voxel; may be negative where it was padded
  /// Length [m] of the real-space voxel vectors along D, H, W that belong to a pattern of `extent` voxels, where the basis
  /// is known: columns of 2 pi (B diag N)^-T, B the basis.
  std::optional<std::array<double, 3>> voxel_size(const Extent& extent) const;
};

/// Intensities in photons; Q = 0 at index N/2 of every axis.
struct Pattern {
  Volume<float> intensity;
  Volume<std::uint8_t> mask;  ///< 1 = measured, 0 = not to be used; empty: everything is measured
  Geometry geometry;
  std::string sample;
  /// The known object in simulation (n^3 = half the pattern's extent), else empty.
  Volume<Complex> truth;

  /// Partial coherence blurs the coherent intensity by a Gaussian of these root mean square widths along D, H, W [voxels of Q]
  /// (kernels/partial_coherence.h); 0: coherent. Known or fitted, it belongs to the model, not to the file.
  std::array<double, 3> coherence{};

  bool partially_coherent() const { return coherence != std::array<double, 3>{}; }
  bool measured(Index i) const { return mask.empty() || mask.data[static_cast<std::size_t>(i)] != 0; }
};

/// One scalar recorded over the epochs: epoch numbers and values, as drawn by `fringe show`.
struct Curve {
  std::vector<double> epoch, value;
};

/// The crystal retrieved from a pattern, and how well it explains it.
struct Reconstruction {
  Volume<Complex> object;             ///< complex density, centred in its array (half the pattern's extent)
  Volume<std::uint8_t> support;       ///< 1 inside the crystal
  Volume<float> calculated;           ///< |F|^2 of the object, scaled to the pattern [photons]; pattern's extent
  Pattern pattern;                    ///< what it was retrieved from (the mask included)
  std::map<std::string, double> metrics;       ///< chi2, pearson, llk, free_llk, true_error (simulation), seconds, epochs, ...
  std::map<std::string, Curve> curves;         ///< "chi2", "pearson", "loss"
  std::map<std::string, std::string> configuration;  ///< every setting of the run
  std::map<std::string, Volume<float>> maps;         ///< of an ensemble (agreement.h): "amplitude_std", ..., object's extent
  std::map<std::string, Volume<Complex>> modes;      ///< of an ensemble: "mode_2", ...; the first one is the object
  std::string command, version, device, start_time;  ///< start_time: ISO 8601
  std::string failure;  ///< what of the device ended the run before its time; empty when nothing did
};

}  // namespace fringe

// Simulated crystals and their patterns, several at a time, through a table of kernels: what make_crystal and expose make, to
// rounding, for a GPU that draws sets of them, or trains a network on crystals that are never seen twice.
#pragma once
#include <span>

#include "apps/phasing/simulate.h"
#include "engine/tensor.h"
#include "kernels/photon_noise.h"

namespace fringe {

struct DrawnCrystals {
  std::vector<Volume<Complex>> objects;
  std::vector<Volume<float>> intensities;  ///< as expose(); of a specimen with 0 photons |F|^2; none where none were asked for
};

/// Crystals `indices` of the series that `seed` names, and what they are: all of one size and edge. The host waits for each
/// round of forms, to see which of them fit, and for the result. Throws Error as make_crystal.
DrawnCrystals draw_crystals(Context<float>& context, std::uint64_t seed, std::span<const std::uint64_t> indices,
                            std::span<const Specimen> specimens, bool with_patterns = true);

// The same in pieces, for who keeps the crystals on the device. `field` (N,size,size,size,2) is overwritten.
/// objects (N,n,n,n,2), n half the size. The host waits for each round of forms only.
void draw_objects(Context<float>& context, std::uint64_t seed, std::span<const std::uint64_t> indices,
                  std::span<const Specimen> specimens, const Tensor<float>& field, const Tensor<float>& objects);
/// intensities (N,size,size,size,1): as expose(); |F|^2 where an exposure has 0 photons. Nobody waits.
void expose_objects(Context<float>& context, std::uint64_t seed, std::span<const PhotonExposure> exposures,
                    const Tensor<float>& objects, const Tensor<float>& field, const Tensor<float>& intensities);

/// So many crystals fill a device, and keep its memory and the host's small.
Index crystals_at_once(Index size);

}  // namespace fringe

// From raw detector frames to a pattern that can be phased: corrections, masks, centring, cropping, binning.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/phasing/pattern.h"

namespace fringe {

/// Intensities and the voxels that may be used, on the raw grid of (frames, rows, columns).
struct RawScan {
  Volume<float> counts;
  Volume<std::uint8_t> mask;  ///< 1 = measured

  explicit RawScan(Volume<float> frames);
  double photons() const;  ///< sum over the mask
};

/// Half-open ranges of voxels along D, H, W.
struct Box {
  std::array<Index, 3> begin{}, end{};
};

enum class DarkMode {
  automatic,  ///< subtract when more than half of the dark field is not zero, else mask
  subtract,
  mask,       ///< pixels whose dark field is above the threshold are not used
};

// Each step below changes the scan and returns how many voxels it masked, if any.

/// counts -> (amplitude / scale)^2; scale 0: the smallest amplitude that is not zero becomes one photon.
/// Returns the scale used.
double amplitudes_to_counts(RawScan& scan, double scale);

/// Masks voxels that are not finite or negative; without `allow` they are an error.
Index mask_invalid(RawScan& scan, bool allow);

/// `field` (1, rows, columns) on the scan's rows and columns: cut out at `roi` (rows and columns of the field at which the
/// frames begin) where it is larger. Throws Error when it does not fit.
Volume<float> fit_field(const Volume<float>& field, const RawScan& scan, const std::array<Index, 2>& roi, const char* name);

Index apply_dark(RawScan& scan, const Volume<float>& dark, DarkMode mode, double threshold);
/// counts * mean(white) / white; pixels below a tenth of the median are masked.
Index apply_white(RawScan& scan, const Volume<float>& white);
/// `bad`: (1 or frames, rows, columns), not zero = not to be used.
Index apply_mask(RawScan& scan, const Volume<float>& bad);
Index mask_box(RawScan& scan, const Box& box);
/// Counts below the threshold become zero (they stay measured). Returns 0.
Index apply_threshold(RawScan& scan, double threshold);

/// Masks single voxels that exceed ten times the largest of their 26 neighbours (plus ten counts): speckles are wider.
Index mask_hot_voxels(RawScan& scan);

/// Masks aliens: clusters, away from the centre, at least 20 times as bright as the pattern at -Q. The pattern of a crystal is
/// nearly centrosymmetric; another grain's peak has no counterpart.
Index mask_aliens(RawScan& scan, const std::array<Index, 3>& centre);

enum class CentreMode { maximum, centre_of_mass };
/// The voxel of the largest smoothed (3^3) intensity, or the centre of mass of what exceeds a hundredth of it around it.
std::array<Index, 3> find_centre(const RawScan& scan, CentreMode mode);

/// Extent of the object along each axis as a share of the array that the raw sampling gives (1 / step): half the extent of
/// the autocorrelation, the Fourier transform of the intensities, above one per cent of its maximum (a tenth to a quarter too little, as facets end slowly). 0.5 is Nyquist's limit for
/// phasing: the object fills half the array.
std::array<double, 3> object_extent(const RawScan& scan, const std::array<Index, 3>& centre);

/// How raw voxels become the pattern: `size` voxels of `binning` raw ones each, raw voxel `centre` at index size / 2.
struct Sampling {
  std::array<Index, 3> centre{}, binning{1, 1, 1}, size{64, 64, 64};
};

/// The largest binning that keeps the object within `share` of the array, at least 1.
std::array<Index, 3> choose_binning(const std::array<double, 3>& extent, double share = 0.45);

/// Sums photons over bins. A voxel is measured when all its raw voxels are; outside the raw array nothing is.
Pattern resample(const RawScan& scan, const Sampling& sampling, const Geometry& raw_geometry);

/// Masks blocks of zeros amid signal, such as somebody leaves who removes a second peak: clusters that contain a cube of
/// 5^3 zeros and whose surroundings have a median of at least three counts.
Index mask_zero_blocks(Pattern& pattern);

}  // namespace fringe

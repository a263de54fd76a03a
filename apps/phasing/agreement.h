// What many starts on one pattern say together: which of them count, what they have in common, and how sure that is.
#pragma once
#include "apps/phasing/metrics.h"

namespace fringe {

/// One finished start.
struct Member {
  std::uint64_t seed = 0;
  Volume<Complex> object;                 ///< of half the pattern's extent
  std::map<std::string, double> metrics;  ///< as of every Reconstruction
  /// The number that ranks it: its free LLK, chi^2 where no voxels were held out.
  double score() const;
};

/// Index of the member of smallest score; the first of equals.
std::size_t best_of(const std::vector<Member>& members);

/// The largest score that is no outlier: median + deviations * 1.4826 * (median of |score - median|), the factor being what
/// makes the second median a standard deviation for normal distributions; infinite for `deviations` = 0 (none is rejected).
/// Half of the members at least are within.
double outlier_limit(const std::vector<Member>& members, double deviations);

struct AgreementOptions {
  double deviations = 3;           ///< of outlier_limit()
  Index modes = 5;                 ///< kept in the result at most
  Volume<Complex> reference = {};  ///< to align with instead of the best member; may be empty
  int threads = 1;
};

/// Aligns all members with the best one (sub-voxel shift, twin, phase), leaves outliers out, and averages the others: the
/// object of the result is their first eigenmode (eigenmodes.h), on the scale of the pattern.
///
/// Metrics, beside those of judge():
///   starts, kept, outlier_limit, best_seed, best_free_llk (of the best start alone), mode_weight (of the first mode);
///   agreement_error: median over the kept ones of the error to the best, or to the reference (alignment.h);
///   prtf_resolution, fsc_resolution [m], or [voxels] with "_voxels" to their names when the pattern's geometry is not known:
///   the period 2 pi / |Q| where the PRTF falls through 1/e and the FSC of two half ensembles through 1/2; the array's edge
///   where they do not, then prtf_at_edge and fsc_at_edge are 1; median_x and std_x (standard deviation) over all members, x:
///   chi2, chi2_all, pearson, llk, free_llk, true_error, seconds; epochs: of all members together; epochs_per_second: of one of
///   them, on average.
/// Curves over the seeds: start_chi2, start_pearson, start_free_llk, ..., start_error, start_kept (1 or 0); mode_weight over
/// the modes; prtf and fsc over |Q|. Maps: amplitude_mean, amplitude_std, phase_mean, phase_std (uncertainty.h). Modes: mode_2,
/// ...
///
/// The halves of the FSC are the kept starts of even and of odd place: they share the data, so FSC and PRTF tell how well the
/// phases are reproduced, not how right they are.
Reconstruction agreement(const Pattern& pattern, const Mask& free, const std::vector<Member>& members,
                         const AgreementOptions& options);

}  // namespace fringe

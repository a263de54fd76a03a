// What every way of retrieving a crystal does around its work: it takes the time, and judges its result.
#pragma once
#include <chrono>
#include <string>

#include "apps/phasing/metrics.h"

namespace fringe {

using Clock = std::chrono::steady_clock;

/// Seconds since `start`.
inline double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// The time of day in UTC, ISO 8601: "2026-01-31T12:00:00Z".
std::string utc_now();

/// Scales r.object and r.calculated, its |F|^2, to the photons of r.pattern, and enters the metrics chi2, pearson and llk over the
/// voxels of the fit, free_llk over the held-out ones of `free`, chi2_all over both, and true_error where the truth is known.
void judge(Reconstruction& r, const Mask& free, int threads);

/// judge() where r.object says all, and r.pattern what the illumination is: r.calculated follows from it, and r.support, the voxels above three
/// tenths of its density.
void judge_object(Reconstruction& r, const Mask& free, int threads);

/// What tells one pattern from another: its extent, the sums of the counts and their squares over the measured voxels, and the
/// illumination.
std::string signature(const Pattern& pattern);

/// " coherence D H W", or nothing where the illumination is coherent: for texts that tell runs apart.
std::string illumination_text(const Pattern& pattern);

/// The number by which objects are ranked: the free LLK, or chi^2 where no voxels were held out.
double misfit(const Volume<Complex>& object, const Pattern& pattern, const Mask& free, int threads);

}  // namespace fringe

// How well a reconstruction explains a pattern, and how well two or more reconstructions agree. Every sum is in double;
// voxels that were not measured enter none.
#pragma once
#include <optional>
#include <vector>

#include "apps/phasing/fourier.h"
#include "apps/phasing/pattern.h"

namespace fringe {

/// One byte per voxel, 1 = yes; empty stands for "all voxels".
using Mask = Volume<std::uint8_t>;

// ---- against the pattern -----------------------------------------------------------------------------------------------
// I is the measured and P the calculated intensity |F|^2, P on any scale; sums run over the measured voxels, less those of
// `free`, the held-out voxels, where it is given.

/// The factor c of the amplitudes, F -> c F, that minimises chi^2: c = sum sqrt(P I) / sum P.
double amplitude_scale(const Volume<float>& calculated, const Pattern& pattern, const Mask& free = {});

/// chi^2 = sum (c sqrt P - sqrt I)^2 / sum I with the best c: 0 for a perfect fit, at most 1.
double chi2(const Volume<float>& calculated, const Pattern& pattern, const Mask& free = {});

/// Pearson's correlation of sqrt P with sqrt I, means subtracted: 1 for a perfect fit.
double pearson(const Volume<float>& calculated, const Pattern& pattern, const Mask& free = {});

/// Poisson log-likelihood, negative, per voxel, relative to the perfect fit, with the best scale s = sum I / sum P:
///
///   LLK = mean over voxels of ( s P - I + I log(I / (s P)) )
///
/// 0 for P = I; about 1/2 where the fit leaves nothing but photon noise and counts are not small. s P is taken as 1e-9
/// photons where it is less. With `free`, the voxels not in it.
double poisson_llk(const Volume<float>& calculated, const Pattern& pattern, const Mask& free = {});

/// The same over the measured voxels of `free` only, s being that of the others: a fit is judged by data that it has not
/// seen (Favre-Nicolin, Leake and Chushkin, Sci. Rep. 10, 2664 (2020), doi 10.1038/s41598-020-57561-2).
double free_llk(const Volume<float>& calculated, const Pattern& pattern, const Mask& free);

/// How much one thing is larger than another in the mean over pairs, and that mean's standard error. What varies alike in both members of a
/// pair drops out: the difference is far better known than either mean.
struct Difference {
  double mean = 0, standard_error = 0;
};

/// `differences`: of each pair, of two or more.
Difference mean_difference(const std::vector<double>& differences);

/// What `a` costs each of the held-out voxels more than `b`, as of free_llk(); the photon noise of a voxel is in both.
Difference free_llk_difference(const Volume<float>& a, const Volume<float>& b, const Pattern& pattern, const Mask& free);

/// All of these at once.
struct FitQuality {
  double scale = 0;  ///< of amplitudes
  double chi2 = 0, pearson = 0, llk = 0;
  std::optional<double> free_llk;  ///< where there are held-out voxels
};
FitQuality fit_quality(const Volume<float>& calculated, const Pattern& pattern, const Mask& free = {});

/// |F|^2 of `object` in photons, under the pattern's illumination: zero-padded to its extent and scaled by amplitude_scale().
Volume<float> calculated_intensity(const Volume<Complex>& object, const Pattern& pattern, const Mask& free = {},
                                   int threads = 1);

struct FreeVoxels {
  double fraction = 0.05;        ///< of the measured voxels; reached or just exceeded
  double island_radius = 3;      ///< [voxels]; single voxels would be given away by their neighbours (speckles are wider)
  double excluded_centre = 0.05; ///< radius of the ball around Q = 0 that stays in the fit, as a fraction of the extent
};

/// The held-out voxels of a pattern (1 = held out, never used in a fit): balls around random voxels, the same for the same
/// seed, extent and mask whatever the intensities and threads. Never an unmeasured voxel, never the central peak.
Mask make_free_mask(std::uint64_t seed, const Extent& extent, const Mask& measured = {}, const FreeVoxels& options = {});

// ---- shells of constant |Q| -----------------------------------------------------------------------------------------------

/// Unit steps along orthogonal axes: the basis unless another is stated.
inline constexpr Basis unit_basis{{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

/// A quantity on shells of constant |Q|. Shells are as wide as the basis' longest vector; shell 0 is a ball of half that
/// radius; the last one just fits into the array.
struct ShellCurve {
  std::vector<double> q;       ///< |Q| at the middle of the shell, in units of the basis
  std::vector<double> value;
  std::vector<Index> voxels;   ///< that entered
};

/// FSW: sum of |F| = sqrt(intensity) over each shell.
ShellCurve shell_sums(const Volume<float>& intensity, const Mask& measured = {}, const Basis& basis = unit_basis);

/// Phase retrieval transfer function (Chapman et al., J. Opt. Soc. Am. A 23, 1179 (2006), doi 10.1364/JOSAA.23.001179) of
/// objects that were aligned with each other: sum |mean of c F| over sum sqrt I, per shell. 1 where all runs agree in
/// phase, falling to 1 / sqrt(runs) where phases are random.
ShellCurve prtf(const std::vector<Volume<Complex>>& objects, const Pattern& pattern, const Basis& basis = unit_basis,
                int threads = 1);

/// Fourier shell correlation of two aligned objects (equal extents): Re sum F_a conj(F_b) / sqrt(sum |F_a|^2 sum |F_b|^2).
/// Arrays of twice the crystal's extent, as align() returns them, sample it finely enough.
ShellCurve fourier_shell_correlation(const ComplexField& a, const ComplexField& b, const Basis& basis = unit_basis,
                                     int threads = 1);

/// |Q| at which a curve falls through `threshold` for the first time, between shells by linear interpolation; nothing when
/// it never does.
std::optional<double> crossing(const ShellCurve& curve, double threshold);

// ---- object against object ----------------------------------------------------------------------------------------------

/// The density of a crystal of nearly uniform density: sum a^3 / sum a^2, a = |object|. Bright spots and a faint
/// surround move it less than they move the maximum or the mean.
double density_level(const ComplexField& object);

/// 1 where |object| is at least `threshold` of the density level.
Mask support_of(const ComplexField& object, double threshold = 0.5);

/// Two objects that were aligned (alignment.h), of equal extents, `b` being the known or the better one.
struct ObjectAgreement {
  double error = 0;            ///< sqrt(1 - |c|^2), c = <a, b> / (|a| |b|): 0 = equal up to a factor
  double amplitude_error = 0;  ///< sqrt( sum (s|a| - |b|)^2 / sum |b|^2 ), s the best scale
  double phase_error = 0;      ///< root mean square over the voxels that are inside both [rad]; no mean difference left
  double overlap = 0;          ///< voxels inside both over voxels inside one (IoU)
  Index common_voxels = 0;
};
ObjectAgreement object_agreement(const ComplexField& a, const ComplexField& b, double threshold = 0.5);

}  // namespace fringe

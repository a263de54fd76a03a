// One start of iterative phasing: the iterate x, its support S, and the steps of each algorithm.
//
//   P_M x   modulus projection: F(Q) = sum_r x(r) exp(-2 pi i Q.r / N) gets the measured amplitudes a(Q), its phases kept;
//           voxels that were not measured, or are held out, keep their F
//   P_S x   x in S, 0 outside;   R = 2 P - 1
//
//   ER    x' = P_S P_M x                                                     Gerchberg-Saxton, Fienup 1978           (1)
//   HIO   x' = P_M x in S, x - beta P_M x outside                            Fienup 1982, doi 10.1364/AO.21.002758   (2)
//   RAAR  x' = beta/2 (R_S R_M + 1) x + (1 - beta) P_M x                     Luke 2005, doi 10.1088/0266-5611/21/1/004 (3)
//   DM    x' = x + beta (P_S [(1 + 1/beta) P_M x - x/beta] - P_M [(1 - 1/beta) P_S x + x/beta])
//                                                                            Elser 2003, doi 10.1364/JOSAA.20.000040 (4)
//   SF    x' = R_S P_M x                                                     Abrahams and Leslie 1996                (5)
//   CF    x' = -P_M x where |P_M x| < delta, else P_M x                      Oszlanyi and Suto 2004                  (6)
//   ML    conjugate gradients (Polak-Ribiere, Newton's line search) on the Poisson likelihood, x = 0 outside S       (7)
//
// An iteration is two passes over memory: a plane of x is updated and transformed along H and W while it is in cache; a
// slab of lines along D is transformed, given its amplitudes and transformed back while it is in cache (ML: twice, and one
// pass more for its line search). Planes lie eight voxels further apart than they are long, so that lines along D do not
// fall on each other in the cache. Amplitudes are real ones, x is a density: no scale is left to fit. Results do not depend
// on the number of threads.
#pragma once
#include <memory>
#include <optional>

#include "apps/phasing/coherence.h"
#include "apps/phasing/metrics.h"
#include "apps/phasing/recipe.h"
#include "kernels/stream.h"

namespace fringe {

/// Aligned memory for one number per voxel, planes `pitch` apart, Q = 0 and r = 0 at index 0.
template <class T>
class Planes {
 public:
  Planes() = default;
  explicit Planes(const Extent& e);
  T* plane(Index d) const { return data_.get() + d * pitch_; }
  T* data() const { return data_.get(); }
  Index size() const { return size_; }  ///< padding included
  Index pitch() const { return pitch_; }
  bool empty() const { return size_ == 0; }
  void copy_from(const Planes& other);

 private:
  struct Free {
    void operator()(T* p) const { std::free(p); }
  };
  std::unique_ptr<T, Free> data_;
  Index pitch_ = 0, size_ = 0;
};

/// What all starts on a pattern share.
struct PhaseProblem {
  /// `free`: voxels held out, may be empty.
  PhaseProblem(const Pattern& pattern, const Mask& free);
  Extent extent;
  Planes<float> amplitude;  ///< -1 where not measured or held out
  double power = 0;         ///< sum a^2
};

/// The amplitudes times exp(-(Q/Q_max)^2 / (2 share^2)), Q_max half the extent.
void limit_amplitude(const PhaseProblem& problem, double share, Stream& stream, Planes<float>& limited);

/// [photons] of the likelihood (7).
constexpr float likelihood_background = 0.05F;

struct PhaseStep {
  double beta = 0.9;
  double charge_threshold = 1.1;             ///< delta of (6), in root mean squares of P_M x
  /// Phases a voxel of S may have, about the mean phase [rad]; others count as outside S. ER, HIO, RAAR, SF.
  std::optional<std::array<double, 2>> phase_range;
};

class PhaseIterator {
 public:
  PhaseIterator(const PhaseProblem& problem, int threads);
  ~PhaseIterator();
  PhaseIterator(PhaseIterator&&) noexcept;

  /// Random phases on the measured amplitudes.
  void start_random(std::uint64_t seed);
  /// From an object (any extent up to the pattern's), centred as everywhere.
  void start_from(const Volume<Complex>& object);

  /// S, centred, of half the pattern's extent along every axis.
  void set_support(const Mask& support);
  const Mask& support() const { return support_; }

  /// The amplitudes of limit_amplitude(); a share of 1 or more: as measured.
  void limit_resolution(double share);

  /// Makes the illumination partially coherent.
  void set_coherence(Coherence coherence) { coherence_.emplace(std::move(coherence)); }
  Coherence* coherence() { return coherence_ ? &*coherence_ : nullptr; }
  void update_coherence();

  /// One iteration. Returns sum (|F| - a)^2 / sum a^2 of the x that it began with.
  double step(Algorithm algorithm, const PhaseStep& options);

  /// x in the middle of the array, half of its extent and `margin` voxels more on both sides; wraps around.
  Volume<Complex> centre(Index margin = 0) const;
  /// Moves x by whole voxels, around the array's ends.
  void roll(const std::array<Index, 3>& shift);

  /// x as it lies in memory, r = 0 at index 0, without what keeps planes apart; and x anew.
  Volume<Complex> wrapped() const;
  void set_wrapped(const Volume<Complex>& x);

  /// x, and what else the next step depends on.
  std::vector<double> state() const;
  void restore(const std::vector<double>& state);

 private:
  struct Likelihood;
  const Planes<float>& amplitude() const { return limited_.empty() ? problem_.amplitude : limited_; }
  void transform_planes(Planes<Complex>& field, bool forward);
  void transform_lines(Planes<Complex>& field, bool forward);
  void begin_projection();
  double project_lines();
  double project_blurred();
  std::vector<float> intensities(const Planes<Complex>& field);
  template <class Update>
  void update_planes(bool zero_outside, const Update& update);
  double difference_map(double beta);
  double likelihood_step();
  Complex mean_phase() const;

  const PhaseProblem& problem_;
  mutable Stream stream_;
  Planes<Complex> x_, work_;
  bool transformed_ = false;   ///< work_ holds the transforms of x_ along H and W
  Planes<float> s_;            ///< S: 1 or 0
  Planes<float> limited_;      ///< amplitudes at limited resolution, or empty
  Mask support_;
  std::vector<char> in_plane_; ///< whether S has a voxel in this plane
  std::optional<Coherence> coherence_;
  std::unique_ptr<Likelihood> likelihood_;  ///< conjugate directions, while ML runs
};

}  // namespace fringe

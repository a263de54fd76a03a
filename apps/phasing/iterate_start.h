// One start of `iterate`, at one of its iterations; and what all starts share.
#pragma once
#include "apps/phasing/iterate.h"
#include "engine/checkpoint.h"

namespace fringe {

/// What all starts share and never write: the pattern, and what has to be done at which iteration (counted from 0).
struct IterateProblem {
  IterateProblem(const Pattern& pattern, const IterateOptions& options);

  const Pattern& pattern;
  const IterateOptions& options;
  Mask free;
  PhaseProblem problem;
  Mask first_support;
  Index total, last_block;  ///< iterations in all, and before the recipe's last block

  Algorithm algorithm_at(Index iteration) const;
  bool wraps_at(Index iteration) const;    ///< whether a shrink-wrap comes before it
  double sigma_at(Index iteration) const;  ///< of that shrink-wrap's Gaussian
  bool limits_resolution() const { return options.low_resolution < 1; }
  bool resolution_changes_at(Index iteration) const;
  double resolution_at(Index iteration) const;  ///< the share; 1: all
  bool halves_at(Index iteration) const;        ///< half of the support is taken away before it
  bool mends_at(Index iteration) const;         ///< and given back
  /// How many iterations from this one on are of one algorithm, with nothing between them.
  Index alike_from(Index iteration) const;
  /// What starts begin with; nothing: coherent illumination. The pattern's own, where it has one, is known (CoherenceModel::full),
  /// or what the fit of a Gaussian begins with.
  std::optional<Coherence> coherence() const;
  double threshold_of_start(Index number) const;  ///< of shrink-wrap
  /// Throws Error unless the misfit that start `number` began this iteration with is a number.
  void require_finite(double chi2, Index iteration, Index number) const;
};

class IterateStart {
 public:
  IterateStart(const IterateProblem& common, Index number, int threads);

  Index number() const { return number_; }
  Index iteration() const { return iteration_; }
  double last_chi2() const { return chi2_.value.empty() ? 1 : chi2_.value.back(); }
  const Curve& chi2() const { return chi2_; }
  const Curve& size() const { return size_; }
  Coherence* coherence() { return iterator_.coherence(); }
  PhaseIterator& iterator() { return iterator_; }
  const Mask& whole_support() const { return whole_support_; }

  /// One iteration, and what comes before it.
  void step();
  /// The iterator was taken through iterations elsewhere: their misfits, and the sizes of the support after their shrink-wraps.
  void went_on(const std::vector<double>& chi2, const std::vector<double>& sizes, Mask whole_support);

  /// The crystal of this moment: P_S P_M x after anything but ER and ML. Works on a copy of the state.
  Volume<Complex> object();

  void save(Checkpoint& c) const;
  void load(const Checkpoint& c);

 private:
  void before_step();
  void note(double chi2);
  void set_resolution();

  const IterateProblem& common_;
  PhaseIterator iterator_;
  Mask whole_support_;  ///< less of it is in use while twins are told apart
  Index number_, iteration_ = 0;
  Curve chi2_, size_;
};

}  // namespace fringe

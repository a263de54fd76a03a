// Iterative phasing of several starts at once through a table of kernels: what PhaseIterator does, for a GPU.
//
// The steps and their equations are phase_iterator.h's. x and its transform stay where the kernels run; a run of equal
// iterations is recorded once and from then on launched as one graph, of up to `most_steps` iterations; nothing is allocated
// and nobody waits in between. An iteration is two transforms and three launches (two more for CF and limited phases; twice as
// many for a difference map away from beta = 1; nine for ML, whose line search stays on the device), whatever the number of
// starts. On the host the same code runs kernel by kernel.
#pragma once
#include <span>

#include "apps/phasing/phase_iterator.h"
#include "apps/phasing/support.h"
#include "engine/replay.h"
#include "engine/tensor.h"

namespace fringe {

class DeviceIterator {
 public:
  DeviceIterator(Context<float>& context, const PhaseProblem& problem, const PhaseStep& options, Index starts);

  Index starts() const { return starts_; }

  /// Takes x and the support in use of one iterator each; `whole`: the support that the next shrink-wrap begins with.
  void upload(std::span<const PhaseIterator* const> from, std::span<const Mask* const> whole);
  /// Gives them back, and returns the whole supports. Waits. What ML carries from step to step stays here.
  std::vector<Mask> download(std::span<PhaseIterator* const> to) const;

  /// As PhaseIterator's, of all starts.
  void limit_resolution(double share);
  /// `count` iterations of one algorithm, which are only handed over: nobody waits, unless `most_unread` of them are unread.
  void run(Algorithm algorithm, Index count);
  /// support.h's shrink-wrap and centring, one threshold a start. Only handed over, too.
  void shrink_wrap(const ShrinkWrap& options, std::span<const double> thresholds, double sigma);
  /// Half of each support in use (half_of), or all of it again. The first waits.
  void use_half_supports();
  void use_whole_supports();

  /// What there is since the last call, for each start: the misfit sum (|F| - a)^2 / sum a^2 that each iteration began with;
  /// the voxels of the support after each shrink-wrap. Waits for it.
  struct Record {
    std::vector<double> misfit, support_voxels;
  };
  std::vector<Record> read();
  Index unread() const { return rows_; }
  static constexpr Index most_unread = 256, most_steps = 16;

 private:
  void step(Algorithm algorithm, View<float> misfit);
  void project(ConstView<float> x, View<float> y, View<float> misfit);
  void difference_map(View<float> misfit);
  void begin_likelihood();
  void likelihood_step(View<float> misfit);
  void fetch();
  std::vector<Mask> masks(const Tensor<float>& supports) const;

  Context<float>& context_;
  const PhaseProblem& problem_;
  PhaseStep options_;
  Index starts_;
  Tensor<float> x_, work_, support_, whole_, amplitude_;
  Tensor<float> sums_, thresholds_, blurred_, stats_;
  Tensor<float> misfits_;          ///< of one graph's iterations, in rows
  Tensor<float> history_, sizes_;  ///< of iterations and of shrink-wraps, in rows
  Index rows_ = 0, wraps_ = 0;     ///< of them that are in use
  /// What ML carries from step to step: F, the gradient before, d, its transform, the numbers of kernels/likelihood_step.h.
  struct Likelihood {
    Tensor<float> field, before, direction, direction_field, products, scalars;
  };
  std::optional<Likelihood> likelihood_;  ///< from the first ML on
  bool climbs_ = false;                   ///< whether the last step was ML's, and nothing came after
  std::vector<Record> news_;
  Replay<float> replay_;
};

}  // namespace fringe

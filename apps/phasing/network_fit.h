// One start of the untrained network on one pattern: the network's weights are fitted until the diffraction of what it
// draws equals what was measured (Wu et al., npj Comput. Mater. 7, 175 (2021), Eq. 7, and docs/recipe.md for what differs).
#pragma once
#include <memory>

#include "apps/phasing/illumination.h"
#include "apps/phasing/metrics.h"
#include "apps/phasing/network_input.h"
#include "apps/phasing/pattern.h"
#include "engine/optimizer.h"
#include "engine/replay.h"
#include "layers/network.h"

namespace fringe {

enum class FitLoss {
  logarithmic,  ///< log(1 - r) + log(chi^2): the same pull at every depth of the fit
  paper,        ///< [b1(t) (1 - r) + chi^2] / (b1(t) + 1), Eq. 7, b1 falling from 1e4 to 1
};
/// The uniform-density prior: weight * log(P + 1e-3), P of kernels/uniform_density.h. Shares of the run: it rises linearly
/// from `on` to `full` and falls from `fade` to zero at `off`.
struct DensityPrior {
  double weight = 0.3;
  double on = 0.10, full = 0.15, fade = 0.6, off = 1.0;
  double at(double t) const;  ///< the weight at t in [0, 1]
};

struct FitOptions {
  NetworkOptions network;
  ScheduleOptions schedule;
  FitLoss loss = FitLoss::logarithmic;
  FitInput input = FitInput::logarithm;
  DensityPrior prior;
  /// Root mean square [rad] of a smooth random phase that is added to what the network draws, another one for each start.
  /// A flat phase is a saddle point: the part of the phase that is even about the crystal's centre enters the intensities of
  /// a centrosymmetric crystal squared, so that at zero it has no gradient.
  double initial_phase = 1;
  Index epochs = 2000;
  /// Of the convolutions. bfloat16 finds the basin; the share of the run from `float32_from` on is in float32, for what factors of
  /// 8 bits cannot tell apart.
  Precision precision = Precision::float32;
  double float32_from = 0.6;
};

/// What all starts on one pattern share: the pattern as tensors.
struct FitProblem {
  /// `free`: voxels held out of the loss (and shown to the network as zero), may be empty.
  FitProblem(Context<float>& context, const Pattern& pattern, const Mask& free, FitInput input);

  const Pattern& pattern;
  const Mask& free;
  // On the context's device.
  Tensor<float> input;     ///< what the network sees
  Tensor<float> measured;  ///< amplitudes on the scale of an object of density about 1
  Tensor<float> weights;   ///< 1 = enters the loss
  Illumination illumination;
};

class NetworkFit {
 public:
  NetworkFit(Context<float>& context, const FitProblem& problem, const FitOptions& options, std::uint64_t seed);

  struct Epoch {
    Index number = 0;    ///< counted from 1
    double loss = 0;     ///< without the prior
    double chi2 = 0, pearson = 0;
    double prior = 0;    ///< P
  };
  /// One forward and backward pass and one optimizer step. On a device it is only handed over: nobody waits for it.
  void step();
  /// The numbers of the epochs since the last call, as their forward passes found them; waits for them. A step that finds
  /// `most_unread` of them waits itself.
  std::vector<Epoch> read();
  Index unread() const { return static_cast<Index>(news_.size()) + rows_; }
  static constexpr Index most_unread = 32;

  Index epoch() const { return epoch_; }
  bool finished() const { return epoch_ >= options_.epochs; }
  std::uint64_t seed() const { return seed_; }
  /// Of the next step.
  Precision precision() const;
  Network<float>& network() { return network_; }

  // All that follows needs that everything has been read.
  /// The best state so far (smallest loss without the prior), as a complex density; and its numbers. The host has its own copy:
  /// they are there after the device has failed, too, as of the last read().
  Volume<Complex> best_object() const;
  const Epoch& best() const { return best_; }
  /// Later states only compete with later ones: what was drawn before has another prior.
  void forget_best();
  /// Until the first epoch is done, this (of half the pattern's extent, density about 1) is the best state.
  void begin_with(const Volume<Complex>& object);

  /// Everything that is needed to go on bit for bit, under "fit.".
  void save(Checkpoint& checkpoint) const;
  void load(const Checkpoint& checkpoint);

 private:
  void draw_initial_phase();
  void compute(bool with_prior, Method method);
  void fetch();
  void see_best();
  void require_read() const { require(unread() == 0, "fit: {} epochs have not been read", unread()); }

  Context<float>& context_;
  const FitProblem& problem_;
  FitOptions options_;
  std::uint64_t seed_;
  Network<float> network_;
  Optimizer<float> optimizer_;
  Tape<float> tape_;
  Tensor<float> initial_phase_;
  Tensor<float> best_amplitude_, best_phase_, best_loss_;  ///< kept where they are computed: the host need not look
  Tensor<float> seen_amplitude_, seen_phase_;  ///< the same in host memory, as of the last read()
  // What changes from step to step, and what each leaves behind: loss, chi^2, 1 - r, P (engine/replay.h).
  Tensor<float> loss_weights_, prior_weights_, results_;
  Replay<float> replay_;
  Tensor<float> history_;    ///< results of the steps that the host has not seen: rows_ rows of them are filled
  Index rows_ = 0;
  std::vector<Epoch> news_;  ///< seen by the host, not yet by read()'s caller
  Epoch best_;
  Index epoch_ = 0;
};

}  // namespace fringe

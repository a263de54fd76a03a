// Supervised training of the network on simulated crystals (Wu et al. 2021, Eq. 6; docs/training.md for what differs).
#pragma once
#include <atomic>
#include <functional>

#include "apps/phasing/dataset.h"
#include "engine/optimizer.h"
#include "engine/ranks.h"

namespace fringe {

struct TrainOptions {
  DatasetOptions data;
  NetworkOptions network;  ///< `inputs` follows from `input`
  FitInput input = FitInput::autocorrelation;
  SupervisedWeights weights{1, 5, 1, PhaseTerm::field};
  bool twin_invariant = true;  ///< false: every crystal's own image is the target, as in the paper
  ScheduleOptions schedule{
      .schedule = Schedule::cosine, .rate = 0.005, .period = 25, .warm_up = 0.02};  ///< period: epochs
  Index epochs = 20;
  Index samples = 4096;  ///< of an epoch, where crystals are drawn; a set is one epoch
  Index batch = 16;      ///< crystals to a step
  /// Crystals that go through the network together; BatchNorm's statistics are theirs. A batch is as many micro-batches
  /// as it takes, dealt to the ranks: the result is the same, within rounding, for every number of ranks.
  Index micro_batch = 16;
  Index patience = 0;     ///< end after so many epochs without a smaller validation loss; 0: never
  double time_limit = 0;  ///< [s]: the number of epochs is cut to fit; 0: no limit
  std::uint64_t seed = 1;
  int threads = 1;
  Backend backend;  ///< what the network runs on
  std::string checkpoint;  ///< file with the state, written every `checkpoint_interval` seconds and at the end
  double checkpoint_interval = 120;
  bool resume = false;
};

/// Means over the held-out crystals, towards the nearer one of image and twin. With PhaseTerm::field the global phase
/// that fits best is taken off first: no pattern contains it.
struct Validation {
  double loss = 0;  ///< what is trained, Eq. 6 with its weights
  double l1 = 0, l2 = 0,
         l3 = 0;                 ///< amplitude, phase (the paper's form; 0 outside, where amplitude < 1/2), diffraction
  double error = 0;              ///< sqrt(1 - |c|^2), c the correlation of the complex densities
  double phase_correlation = 0;  ///< Pearson's, of predicted and true phase inside the crystal
  double mean() const { return (l1 + l2 + l3) / 3; }
};

struct TrainEpoch {
  Index epoch = 0, samples = 0;
  double seconds = 0, rate = 0, training_loss = 0;
  Validation validation;
};

struct TrainProgress {
  Index epoch = 0, epochs = 0, step = 0, steps = 0;  ///< steps of the whole run
  double loss = 0, samples_per_second = 0, seconds_left = 0;
  const TrainEpoch* finished = nullptr;  ///< the epoch that has just been validated
};

struct Example {
  Volume<Complex> truth, predicted;  ///< the prediction's twin where that is nearer, its global phase the truth's
};

struct TrainResult {
  std::vector<TrainEpoch> epochs;
  Validation mean_image;  ///< what the mean image of 512 training crystals would get: the score to beat
  Index best_epoch = 0;
  Validation best_validation;
  Checkpoint best, last;          ///< models: network, input, size
  std::vector<Example> examples;  ///< held-out crystals drawn by the best model
  double seconds = 0;
  bool stopped_early = false;
  std::string failure;  ///< what of the device ended the training before its time; `best` is there, `last` and examples are not
};

/// A device that fails (DeviceError) ends the training with the best model so far and `failure`; before the first epoch has been
/// validated, the error is thrown on.
TrainResult train(const TrainOptions& options, const Ranks& ranks,
                  const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop);

}  // namespace fringe

// From a pattern to the crystal: several starts of the untrained network, the best of which is carried to the end.
#pragma once
#include <atomic>
#include <functional>
#include <string>

#include "apps/phasing/hand_over.h"
#include "apps/phasing/network_fit.h"
#include "apps/phasing/polish.h"

namespace fringe {

struct RefineOptions {
  FitOptions fit;
  Index starts = 3;           ///< random starts, numbered from `seed` + `first_start`
  Index first_start = 0;
  double trial = 0.2;         ///< share of a run after which only the start of smallest free LLK goes on
  std::uint64_t seed = 1;
  double time_limit = 0;      ///< [s] for everything: the number of epochs is cut to fit; 0: no limit
  double free_fraction = 0.05;
  bool stop_on_plateau = true;
  bool polish = true;         ///< of the finished run (polish.h); needs held-out voxels
  PolishOptions polishing;
  int threads = 1;
  Backend backend;            ///< what the network runs on
  std::string model;          ///< checkpoint of trained weights to start from; empty: random ones
  Volume<Complex> object;     ///< to start from: the network is fitted to it first; may be empty
  HandOverOptions hand_over;
  std::string checkpoint;     ///< file written every `checkpoint_interval` seconds and at the end; empty: none
  double checkpoint_interval = 60;
  bool resume = false;        ///< go on from `checkpoint`
  Profile* profile = nullptr; ///< counts the kernels of the run
  std::string save_model;     ///< file for the weights of the best start; empty: none
};

struct RefineProgress {
  Index start = 0, starts = 1;  ///< start that runs, from 0
  bool chosen = false;          ///< the trials are over: the best start is carried to the end
  bool handing_over = false;    ///< the network is being fitted to the object to start from: epochs are of that, chi2 its misfit
  Index epoch = 0, epochs = 0;  ///< of all starts together
  double chi2 = 0, pearson = 0; ///< of this epoch, over the voxels of the fit
  double seconds = 0, seconds_left = 0, epochs_per_second = 0;
};

/// `stop`: a signal number when the run has to end at once; the best so far is the result then.
/// Metrics of the result: chi2, pearson, llk over the voxels of the fit; free_llk over the held-out ones (as R and free R in
/// crystallography); chi2_all over both; true_error where the pattern has its truth; seconds, epochs, epochs_per_second, starts,
/// best_seed, polish_steps; with an object to start from its own free LLK (chi^2 without held-out voxels), given_free_llk, and
/// hand_over_epochs and hand_over_misfit of the start that won.
/// When the device fails (DeviceError), `failure` of the result says how, and the result is the best that the host had seen; the
/// error is thrown on where there is none yet. Checkpoint and weights are not written then: they may be half a step's.
/// Throws Error for a pattern or options that do not fit together.
Reconstruction refine(const Pattern& pattern, const RefineOptions& options,
                      const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop);

/// What measured best for a start from an object (docs/iterative.md): it alone, without random phase, 800 epochs at a quarter of
/// the rate; at that of random starts the network forgets what it was given.
void start_from(RefineOptions& options, Volume<Complex> object);

/// The largest number of levels, at most `most`, with which a pattern of this extent can be fitted.
Index default_levels(const Extent& extent, Index most = 4);

/// The object moved by whole voxels so that its centre of mass is its array's, its mean phase zero.
void centre_object(Volume<Complex>& object);

}  // namespace fringe

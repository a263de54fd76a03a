// The way from a pattern to the crystal that measured best (docs/phase.md): nothing to tune, everything judged by voxels that
// no fit has seen.
//
//   1. many short starts of projections; those of small free LLK go on, the others end there. The best of them decides whether the
//      illumination is partially coherent (coherence_fit.h): if so, new starts instead of 2, and all that follows fits it, too
//   2. the survivors are carried to their end, each inside the support it has found, and averaged
//   3. the single voxels are fitted to the photons, from the best of them, ever more strongly believing in a uniform density
//      (uniform_density_fit.h)
//   4. the network is handed what is then the result, and projections the network's crystal; the single voxels of the best are
//      polished; where these are better, 3 again from the best
//   5. each of these is a candidate. The result is that of the smallest free LLK, or of the strongest prior that the held-out
//      voxels do not tell from it
//
// A run that was stopped, by whatever means, goes on from what is in its folder, and ends as if it had not been.
#pragma once
#include <atomic>
#include <functional>
#include <optional>

#include "apps/phasing/pattern.h"
#include "engine/backend.h"

namespace fringe {

struct PhaseOptions {
  std::uint64_t seed = 1;
  double time_limit = 0;  ///< [s] for everything, 0: as long as it takes
  int threads = 1;
  Backend backend = {};  ///< of the projections, the network and the polish; on a device starts come one after another
  /// Of what is done: every start that has ended, and the state of the network. Made when missing, empty: nothing is
  /// kept. A run with a time limit keeps nothing: what it has is what the clock left.
  std::string folder = {};
  double checkpoint_interval = 20;  ///< [s] between two states of the network
};

struct PhaseProgress {
  std::string step;
  double share = 0;  ///< of this step
  double best = 0;   ///< smallest free LLK so far
  double seconds = 0;
};

struct PhaseStepDone {
  std::string what;
  double free_llk = 0;               ///< of its best
  std::optional<double> true_error;  ///< of its best, in simulation
  double seconds = 0;
};

struct Phased {
  /// With the metrics searched, the number of short starts, and density_prior, the strength of the prior of the result (0: none was
  /// asked), and the curve uniform_density_free_llk over the strengths; coherence_width_d, _h and _w [voxels of Q], 0: coherent, their
  /// coherence_length_d, ... [m], at which the degree of coherence is exp(-1/2), and coherence_gain, the free LLK that partial coherence
  /// saved in a first fit, with its coherence_gain_error; as of agreement() over the survivors, but for the object, which is
  /// the best of all candidates, and for what is said of it.
  Reconstruction result;
  std::vector<PhaseStepDone> steps;
  std::string kept;     ///< what the result is
  std::string verdict;  ///< how sure it is, in a sentence
};

/// `stop` as of refine(): the best so far is the result then. The same seed gives the same result unless the time limit cuts
/// it. When the device fails the best so far is the result, and its `failure` says why; when nothing was there yet, that is thrown.
/// Throws Error for a folder of another pattern or seed.
Phased phase(const Pattern& pattern, const PhaseOptions& options, const std::function<void(const PhaseProgress&)>& progress,
             const std::atomic<int>& stop);

/// Removes what phase() has left in its folder, and the folder if nothing else is there.
void remove_phase_folder(const std::string& folder);

}  // namespace fringe

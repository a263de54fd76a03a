// Many starts on one pattern, each kept in a file when it has ended, so that a run that was stopped at any moment, by any
// means, goes on where it was and ends as if it had not been stopped.
#pragma once
#include <atomic>
#include <functional>
#include <limits>

#include "apps/phasing/agreement.h"
#include "engine/ranks.h"

namespace fringe {

/// What a start has to know.
struct StartJob {
  Index number = 0;  ///< from 0; the start's seed is the ensemble's + number
  int threads = 1;
  /// File for the state of a start under way; empty: none. Only of starts that run one after another: HDF5, which writes it, is
  /// for one thread at a time, and starts that run side by side are short.
  std::string checkpoint;
  bool resume = false;                         ///< it is there: go on from it
  std::function<void(double share)> progress;  ///< to be told from time to time how much of the start is done; any thread
};
/// Runs one start to its end, or until the signal that the caller watches.
using RunStart = std::function<Reconstruction(const StartJob&)>;

struct EnsembleOptions {
  Index starts = 20;
  int threads = 1;
  bool side_by_side = true;  ///< as many starts at a time as there are threads; false: one after another, each with all threads
  std::string folder = {};   ///< of the starts' results, start-0000.cxi, ...; made when missing; empty: nothing is kept
  std::string fingerprint = {};  ///< what must be equal for a result in the folder to be taken
  const Ranks* ranks = nullptr;  ///< deal the starts among them; they meet in the folder, which all of them must see
};

struct EnsembleProgress {
  Index done = 0, starts = 1;                              ///< without those that other ranks do
  double share = 0;                                        ///< of all their work
  double best = std::numeric_limits<double>::quiet_NaN();  ///< smallest score so far
  double seconds = 0, seconds_left = 0;
};

struct EnsembleRun {
  std::vector<Member> members;        ///< that came to their end, by number; of several ranks the first has them all
  std::vector<std::string> failures;  ///< "start 7: refine: the fit diverged ...": starts of this rank that threw an Error
};

/// `progress` is called by one thread at a time. When `stop` is not zero no start is begun, and those under way are left out
/// (their checkpoints stay in the folder). Throws Error for a folder of other starts, and when a result cannot be written.
EnsembleRun run_starts(const EnsembleOptions& options, const RunStart& run,
                       const std::function<void(const EnsembleProgress&)>& progress, const std::atomic<int>& stop);

}  // namespace fringe

// From a pattern to the crystal by the classical way: projections between what was measured and a support that follows the
// crystal, from many random starts, the best of which is told by voxels that none of them saw.
#pragma once
#include <atomic>
#include <functional>
#include <limits>

#include "apps/phasing/phase_iterator.h"
#include "apps/phasing/support.h"
#include "engine/backend.h"

namespace fringe {

enum class FirstSupport { autocorrelation, box, given };

/// The recipe for partially coherent illumination: without ML, which does not know it, and longer, as the blur is found on the way
/// (docs/phase.md).
constexpr const char* partially_coherent_recipe = "10*(80*RAAR+20*ER)+50*ER";

struct IterateOptions {
  std::vector<Block> recipe = parse_recipe("6*(80*RAAR+20*ER)+50*ER+20*ML");
  PhaseStep step;
  FirstSupport first_support = FirstSupport::autocorrelation;
  Mask support;                ///< where it is given
  bool shrinks = true;
  ShrinkWrap shrink_wrap;
  Index detwin = 0;            ///< iteration at which half of the support is taken away, 0: never
  Index detwin_length = 20;    ///< for so many iterations
  double low_resolution = 1;   ///< share of the resolution to begin with (PhaseIterator::limit_resolution)
  double low_resolution_end = 0.3;  ///< share of the run after which all is used
  CoherenceModel coherence = CoherenceModel::full;
  double coherence_width = 0.5;     ///< to begin with [voxels of Q]; fitted at the end of each block of ER
  Volume<Complex> object;      ///< to start from instead of random phases, may be empty

  Index starts = 10;           ///< numbered from `seed` + `first_start`
  Index first_start = 0;
  std::uint64_t seed = 1;      ///< of the held-out voxels too
  double free_fraction = 0.05;
  double time_limit = 0;       ///< [s]; no start begins that would not end in time; 0: no limit
  /// A GPU runs several starts side by side; what it does is the CPU's to rounding. Not partial coherence.
  Backend backend = {};
  int threads = 1;             ///< a start runs on one thread unless there are more threads than starts
  std::string checkpoint;      ///< file written every `checkpoint_interval` seconds and at the end; empty: none
  double checkpoint_interval = 60;
  bool resume = false;         ///< go on from `checkpoint`
};

/// The paper's recipe (Wu et al., npj Comput. Mater. 7, 175 (2021), Methods): random phases, the half array as support, 50 ER,
/// HIO (beta = 0.9) and ER by turns of 50, shrink-wrap every 10 from iteration 100, 2000 iterations of which the last 100 ER.
void use_paper_recipe(IterateOptions& options);

struct IterateProgress {
  Index starts_done = 0, starts = 1;
  Index iteration = 0, iterations = 0;  ///< of all starts together
  double chi2 = 0;                      ///< of the iterate of one that runs
  double best = std::numeric_limits<double>::quiet_NaN();  ///< smallest free LLK of a finished start
  double seconds = 0, seconds_left = 0, iterations_per_second = 0;
};

/// As refine(): `stop` is a signal number when the run has to end at once; the same metrics, epochs being iterations; and
/// support_voxels. The curve "start_free_llk" has every start's score over its seed. `progress` is called by the thread that
/// called. The result is the same, bit for bit, for every number of threads. When a device fails, what the host had seen of it
/// is the result, and `failure` says why; when it had seen nothing, that is thrown.
Reconstruction iterate(const Pattern& pattern, const IterateOptions& options,
                       const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop);

}  // namespace fringe

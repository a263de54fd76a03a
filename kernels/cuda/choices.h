// The choices between this backend's kernels (kernels/choices.h), timed by the device.
#pragma once
#include "kernels/choices.h"

namespace fringe::cuda {

using fringe::Way, fringe::Candidate, fringe::Work;

/// Measures outside recorded steps only.
Chooser& chooser();

inline void run_one_of(Stream& stream, const Work& work, std::initializer_list<Candidate> candidates) {
  chooser().run_one_of(stream, work, candidates);
}

}  // namespace fringe::cuda

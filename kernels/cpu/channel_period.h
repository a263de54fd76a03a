// Vectors over channels repeated to a longer period, so that loops over channels-last rows have long inner loops whatever the
// number of channels is, which the compiler vectorises.
#pragma once
#include "kernels/view.h"

namespace fringe::cpu {

constexpr Index max_period = 4096;  ///< floats of the longest period, and so the largest number of channels

/// The shortest multiple of `channels` that is at least 64.
inline Index channel_period(Index channels) { return channels * ((63 + channels) / channels); }

}  // namespace fringe::cpu

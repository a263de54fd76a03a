// What a GPU does in iterative phasing and in drawing crystals, as rows of `fringe bench --device`.
#pragma once
#include "bench/harness.h"

namespace fringe::cli {

/// One iteration of each algorithm, of one start and of as many as go side by side; one simulated pattern. Filters: "iteration",
/// "simulated_pattern".
void bench_phasing(bench::Bench& bench, Index extent);

}  // namespace fringe::cli

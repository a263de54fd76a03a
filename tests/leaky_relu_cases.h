// The shapes at which leaky_relu is tested and timed.
#pragma once
#include "kernels/view.h"

namespace fringe::test {

struct LeakyReluCase {
  Shape x;
  double slope;
};

inline constexpr LeakyReluCase leaky_relu_cases[] = {
    {{1, 1, 1, 1, 1}, 0.01}, {{1, 1, 1, 1, 15}, 0.01}, {{2, 3, 5, 7, 3}, 0.2}, {{1, 7, 2, 5, 16}, 0.0}, {{3, 8, 9, 10, 32}, 0.01},
};
inline constexpr LeakyReluCase leaky_relu_benchmarks[] = {{{1, 64, 64, 64, 16}, 0.01}, {{1, 32, 32, 32, 32}, 0.01}};

}  // namespace fringe::test

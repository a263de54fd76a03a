// The kernel tables that a test program compares with the reference: the CPU's in engine_tests (backends_cpu.cpp), CUDA's,
// emulated or on a device, in the others (backends_cuda.cpp).
#pragma once
#include <cstdlib>
#include <vector>

#include "kernels/table.h"

namespace fringe::test {

std::vector<const KernelTable<float>*> backends();

/// Set for emulated kernels: without the volumes that are there for a CPU's blocking.
inline bool small_tests() { return std::getenv("FRINGE_SMALL_TESTS") != nullptr; }

/// Set where tests are slow (races are looked for in emulated kernels): the shapes that reach every piece of code, no more, once.
inline bool quick_tests() { return std::getenv("FRINGE_QUICK_TESTS") != nullptr; }

}  // namespace fringe::test

// The kernel tables that a test program compares with the reference: the CPU's in engine_tests (backends_cpu.cpp), CUDA's,
// emulated or on a device, in the others (backends_cuda.cpp).
#pragma once
#include <vector>

#include "kernels/table.h"

namespace fringe::test {

std::vector<const KernelTable<float>*> backends();

}  // namespace fringe::test

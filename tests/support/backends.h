// The kernel tables of this build that are tested against the reference.
#pragma once
#include <vector>

#include "kernels/table.h"

namespace fringe::test {

inline std::vector<const KernelTable<float>*> backends() { return {&cpu::table()}; }

}  // namespace fringe::test

#include "tests/support/backends.h"

namespace fringe::test {

std::vector<const KernelTable<float>*> backends() { return {&cpu::table()}; }

}  // namespace fringe::test

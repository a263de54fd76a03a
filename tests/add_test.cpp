#include "kernels/add.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_CASE("add: every table sums, in place too") {
  Stream stream(2);
  const Shape s{2, 3, 4, 5, 7};
  const auto a = random_array<float>(s, 1), b = random_array<float>(s, 2);
  Array<float> ref(s);
  reference::add<float>(stream, a, b, ref);
  for (const auto* table : backends()) {
    Array<float> y = a;
    table->add(stream, y, b, y);
    CHECK(relative_error(y, ref) == 0);
    y.check_canaries();
  }
}

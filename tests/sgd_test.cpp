#include "kernels/sgd.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_CASE("sgd: momentum carries the last gradient on, in every table") {
  Stream stream;
  const Shape s = channel_vector(1);
  for (const auto* table : backends()) {
    Array<float> x(s), g(s), m(s), rate(s);
    rate[0] = 0.1F, x[0] = 1, g[0] = 2, m[0] = 0;
    const std::vector<SgdSlot<float>> slots{{x, g, m}};
    table->sgd_step(stream, {.momentum = 0.5}, rate, slots);
    CHECK(x[0] == doctest::Approx(0.8));
    table->sgd_step(stream, {.momentum = 0.5}, rate, slots);
    CHECK(x[0] == doctest::Approx(0.5));  // m = 0.5 * 2 + 2 = 3
  }
}

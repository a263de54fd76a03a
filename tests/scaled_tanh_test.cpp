#include "kernels/scaled_tanh.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("scaled_tanh") {
  TEST_CASE("backends: every table agrees with tanh in double, far and near zero") {
    for (const double width : {1e-3, 1.0, 8.0}) {
      const Shape s{1, 3, 5, 7, 3};
      const auto x = random_array<float>(s, 1, width), dy = random_array<float>(s, 2);
      Stream stream(2);
      Array<double> y_ref(s), dx_ref(s);
      reference::scaled_tanh_forward<double>(stream, 3.0, cast<double>(x), y_ref);
      reference::scaled_tanh_backward<double>(stream, 3.0, y_ref, cast<double>(dy), dx_ref);
      for (const auto* table : backends()) {
        Array<float> y(s), dx(s);
        table->scaled_tanh_forward(stream, 3, x, y);
        table->scaled_tanh_backward(stream, 3, y, dy, dx);
        CHECK(relative_error(y, y_ref) < 1e-6);
        CHECK(relative_error(dx, dx_ref) < 2e-6);
        y.check_canaries(), dx.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward") {
    Stream stream;
    const Shape s{1, 2, 3, 4, 1};
    auto x = random_array<double>(s, 3);
    const auto dy = random_array<double>(s, 4);
    Array<double> y(s), dx(s);
    const auto f = [&] {
      reference::scaled_tanh_forward<double>(stream, 3.14, x, y);
      return dot(y, dy);
    };
    f();
    reference::scaled_tanh_backward<double>(stream, 3.14, y, dy, dx);
    check_gradient(x, dx, f);
  }
}

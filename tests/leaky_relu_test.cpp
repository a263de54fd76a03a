#include "kernels/leaky_relu.h"

#include "tests/leaky_relu_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("leaky_relu") {
  TEST_CASE("math: negative values are scaled by the slope, positive ones pass") {
    Stream stream;
    Array<double> x({1, 1, 1, 1, 3}), y(x.shape()), dx(x.shape()), dy(x.shape());
    x[0] = -2, x[1] = 0, x[2] = 3;
    dy[0] = 1, dy[1] = 1, dy[2] = 5;
    reference::leaky_relu_forward<double>(stream, 0.1, x, y);
    CHECK(y[0] == doctest::Approx(-0.2));
    CHECK(y[1] == 0);
    CHECK(y[2] == 3);
    reference::leaky_relu_backward<double>(stream, 0.1, y, dy, dx);
    CHECK(dx[0] == doctest::Approx(0.1));
    CHECK(dx[2] == 5);
  }

  TEST_CASE("backends: every table agrees with the reference") {
    for (const auto& c : leaky_relu_cases) {
      const auto slope = static_cast<float>(c.slope);
      const auto x = random_array<float>(c.x, 1), dy = random_array<float>(c.x, 2);
      Stream stream(2);
      Array<float> y_ref(c.x), dx_ref(c.x);
      reference::leaky_relu_forward<float>(stream, slope, x, y_ref);
      reference::leaky_relu_backward<float>(stream, slope, y_ref, dy, dx_ref);
      for (const auto* table : backends()) {
        CAPTURE(table->backend);
        CAPTURE(c.x.str());
        Array<float> y(c.x), dx(c.x);
        table->leaky_relu_forward(stream, slope, x, y);
        table->leaky_relu_backward(stream, slope, y_ref, dy, dx);
        CHECK(relative_error(y, y_ref) == 0);
        CHECK(relative_error(dx, dx_ref) == 0);
        y.check_canaries();
        dx.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward away from the kink") {
    Stream stream;
    const Shape s{1, 2, 3, 4, 5};
    auto x = random_array<double>(s, 3);
    for (auto& v : x) v += v > 0 ? 0.1 : -0.1;
    const auto dy = random_array<double>(s, 4);
    Array<double> y(s), dx(s);
    const auto f = [&] {
      reference::leaky_relu_forward<double>(stream, 0.01, x, y);
      return dot(y, dy);
    };
    f();
    reference::leaky_relu_backward<double>(stream, 0.01, y, dy, dx);
    check_gradient(x, dx, f);
  }

  TEST_CASE("errors: shapes must agree") {
    Stream stream;
    Array<float> x({1, 1, 1, 2, 3}), y({1, 1, 1, 3, 2});
    for (const auto* table : backends()) CHECK_THROWS_AS(table->leaky_relu_forward(stream, 0.1F, x, y), Error);
  }
}

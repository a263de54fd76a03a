#include "kernels/scalars.h"

#include <array>
#include <span>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("scalars") {
  TEST_CASE("log and weighted_sum are what they say, on every table") {
    Stream stream;
    for (const auto* table : backends()) {
      Array<float> x(sample_vector(2)), y(sample_vector(2)), z(sample_vector(2));
      x[0] = 1, x[1] = 0.5F;
      table->log_forward(stream, 0.5F, x, y);
      CHECK(y[0] == doctest::Approx(std::log(1.5)));
      CHECK(y[1] == doctest::Approx(0).epsilon(1e-6));
      Array<float> a(channel_vector(2));
      a[0] = 2, a[1] = -3;
      const std::array<ConstView<float>, 2> terms{x.view(), y.view()};
      table->weighted_sum_forward(stream, a, terms, z);
      for (Index i = 0; i < 2; ++i) CHECK(z[i] == doctest::Approx(2 * x[i] - 3 * y[i]));
      table->weighted_sum_backward(stream, a, 1, x, y);
      for (Index i = 0; i < 2; ++i) CHECK(y[i] == -3 * x[i]);
    }
  }

  TEST_CASE("gradient: log") {
    Stream stream;
    Array<double> x(sample_vector(3)), dy(sample_vector(3)), y(sample_vector(3)), dx(sample_vector(3));
    for (Index i = 0; i < 3; ++i) x[i] = 0.1 + static_cast<double>(i), dy[i] = 1 - static_cast<double>(i);
    const auto f = [&] {
      reference::log_forward<double>(stream, 1e-3, x, y);
      return dot(y, dy);
    };
    reference::log_backward<double>(stream, 1e-3, x, dy, dx);
    check_gradient(x, dx, f);
  }
}

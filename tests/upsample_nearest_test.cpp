#include "kernels/upsample_nearest.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("upsample_nearest") {
  TEST_CASE("math: a voxel becomes eight") {
    Stream stream;
    Array<double> x({1, 1, 1, 1, 2}), y({1, 2, 2, 2, 2});
    x[0] = 3, x[1] = 4;
    reference::upsample_nearest_forward<double>(stream, x, y);
    for (Index i = 0; i < 16; ++i) CHECK(y[i] == 3 + double(i % 2));
  }

  TEST_CASE("backends: every table agrees with the reference") {
    for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 2, 5, 3}, Shape{1, 4, 3, 4, 16}, Shape{1, 2, 2, 2, 33}}) {
      const Shape o = upsample_nearest::output_shape(s);
      const auto x = random_array<float>(s, 1), dy = random_array<float>(o, 2);
      Stream stream(2);
      Array<float> y_ref(o), dx_ref(s);
      reference::upsample_nearest_forward<float>(stream, x, y_ref);
      reference::upsample_nearest_backward<float>(stream, dy, dx_ref);
      for (const auto* table : backends()) {
        Array<float> y(o), dx(s);
        table->upsample_nearest_forward(stream, x, y);
        table->upsample_nearest_backward(stream, dy, dx);
        CHECK(relative_error(y, y_ref) == 0);
        CHECK(relative_error(dx, dx_ref) < 1e-6);
        y.check_canaries(), dx.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the adjoint of forward") {
    Stream stream;
    const Shape s{2, 3, 2, 5, 3};
    const auto x = random_array<double>(s, 1), dy = random_array<double>(upsample_nearest::output_shape(s), 2);
    Array<double> y(dy.shape()), dx(s);
    reference::upsample_nearest_forward<double>(stream, x, y);
    reference::upsample_nearest_backward<double>(stream, dy, dx);
    CHECK(dot(x, dx) == doctest::Approx(dot(y, dy)).epsilon(1e-12));
  }
}

#include "kernels/upsample_trilinear.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("upsample_trilinear") {
  TEST_CASE("math: (0, 4, 8) along a line becomes (0, 1, 3, 5, 7, 8)") {
    Stream stream;
    Array<double> x({1, 1, 1, 3, 1}), y({1, 2, 2, 6, 1});
    x[0] = 0, x[1] = 4, x[2] = 8;
    reference::upsample_trilinear_forward<double>(stream, x, y);
    const double expected[] = {0, 1, 3, 5, 7, 8};
    for (Index row = 0; row < 4; ++row)
      for (Index w = 0; w < 6; ++w) CHECK(y[row * 6 + w] == doctest::Approx(expected[w]));
  }

  TEST_CASE("backends: every table agrees with the reference, and backward is the adjoint") {
    for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 5, 4, 3}, Shape{1, 4, 4, 4, 16}}) {
      const Shape large = upsample_trilinear::output_shape(s);
      const auto x = random_array<float>(s, 1), dy = random_array<float>(large, 2);
      Stream stream(2);
      Array<double> y_ref(large), dx_ref(s);
      reference::upsample_trilinear_forward<double>(stream, cast<double>(x), y_ref);
      reference::upsample_trilinear_backward<double>(stream, cast<double>(dy), dx_ref);
      CHECK(dot(y_ref, cast<double>(dy)) == doctest::Approx(dot(cast<double>(x), dx_ref)).epsilon(1e-12));
      for (const auto* table : backends()) {
        Array<float> y(large), dx(s);
        table->upsample_trilinear_forward(stream, x, y);
        table->upsample_trilinear_backward(stream, dy, dx);
        CHECK(relative_error(y, y_ref) < 1e-6);
        CHECK(relative_error(dx, dx_ref) < 1e-6);
        y.check_canaries(), dx.check_canaries();
      }
    }
  }
}

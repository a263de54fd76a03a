#include "kernels/pad_centred.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("pad_centred") {
  TEST_CASE("math: the voxel at half the extent stays the voxel at half the extent") {
    Stream stream;
    for (const auto& [small, large] : {std::pair{Shape{1, 2, 3, 4, 1}, Shape{1, 4, 6, 8, 1}},
                                       std::pair{Shape{1, 1, 5, 2, 1}, Shape{1, 2, 7, 3, 1}}}) {
      Array<double> x(small), y(large);
      std::fill(x.begin(), x.end(), 1.0);
      x.view()(0, small.d / 2, small.h / 2, small.w / 2, 0) = 7;
      reference::pad_centred_forward<double>(stream, x, y);
      CHECK(y.view()(0, large.d / 2, large.h / 2, large.w / 2, 0) == 7);
      double sum = 0;
      for (const double v : y) sum += v;
      CHECK(sum == static_cast<double>(small.size()) + 6);
    }
  }

  TEST_CASE("backends: every table copies what the reference copies, and the two directions are adjoint") {
    for (const auto& [small, large] :
         {std::pair{Shape{2, 3, 4, 5, 2}, Shape{2, 6, 8, 10, 2}}, std::pair{Shape{1, 1, 1, 1, 3}, Shape{1, 2, 5, 4, 3}},
          std::pair{Shape{1, 4, 4, 4, 1}, Shape{1, 4, 4, 4, 1}}}) {
      const auto x = random_array<float>(small, 1), dy = random_array<float>(large, 2);
      Stream stream(2);
      Array<float> y_ref(large), dx_ref(small);
      reference::pad_centred_forward<float>(stream, x, y_ref);
      reference::pad_centred_backward<float>(stream, dy, dx_ref);
      CHECK(dot(y_ref, dy) == doctest::Approx(dot(x, dx_ref)).epsilon(1e-12));
      for (const auto* table : backends()) {
        Array<float> y(large), dx(small);
        table->pad_centred_forward(stream, x, y);
        table->pad_centred_backward(stream, dy, dx);
        CHECK(relative_error(y, y_ref) == 0);
        CHECK(relative_error(dx, dx_ref) == 0);
        y.check_canaries(), dx.check_canaries();
      }
    }
  }

  TEST_CASE("an object larger than its frame is refused") {
    Stream stream;
    Array<float> x({1, 4, 4, 6, 1}), y({1, 4, 4, 4, 1});
    CHECK_THROWS_WITH_AS(cpu::pad_centred_forward(stream, x, y),
                         "pad_centred: the object (1, 4, 4, 6, 1) is larger than its frame (1, 4, 4, 4, 1)", Error);
  }
}

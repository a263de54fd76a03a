#include "kernels/fft3d.h"

#include <algorithm>
#include <numbers>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("fft3d") {
  TEST_CASE("math: a point one voxel off the centre has the phase ramp exp(-2 pi i Q.r / N)") {
    Stream stream;
    const Shape s{1, 4, 6, 2, 2};
    for (const auto* table : backends()) {
      Array<float> x(s), y(s);
      std::fill(x.begin(), x.end(), 0.0F);
      x.view()(0, 2 + 1, 3 - 1, 1, 0) = 1;
      table->fft3d_forward(stream, x, y);
      for (Index d = 0; d < 4; ++d)
        for (Index h = 0; h < 6; ++h)
          for (Index w = 0; w < 2; ++w) {
            const double angle =
                -2 * std::numbers::pi * (static_cast<double>(d - 2) / 4 - static_cast<double>(h - 3) / 6);
            CHECK(y.view()(0, d, h, w, 0) == doctest::Approx(std::cos(angle)).epsilon(1e-5));
            CHECK(y.view()(0, d, h, w, 1) == doctest::Approx(std::sin(angle)).epsilon(1e-5));
          }
    }
  }

  TEST_CASE("backends: every table agrees with the sums, for all kinds of even extents") {
    for (const Shape s : {Shape{1, 2, 2, 2, 2}, Shape{2, 4, 6, 10, 2}, Shape{1, 14, 2, 8, 2}, Shape{1, 8, 8, 16, 2},
                          Shape{1, 22, 6, 2, 2}}) {
      const auto x = random_array<float>(s, 1);
      Stream stream(2);
      Array<double> y_ref(s), z_ref(s);
      reference::fft3d_forward<double>(stream, cast<double>(x), y_ref);
      reference::fft3d_backward<double>(stream, cast<double>(x), z_ref);
      for (const auto* table : backends()) {
        Array<float> y(s), z(s);
        table->fft3d_forward(stream, x, y);
        table->fft3d_backward(stream, x, z);
        CHECK(relative_error(y, y_ref) < 1e-6);
        CHECK(relative_error(z, z_ref) < 1e-6);
        y.check_canaries(), z.check_canaries();
      }
    }
  }

  TEST_CASE("backward is the adjoint of forward, and DHW times its inverse") {
    Stream stream;
    const Shape s{1, 4, 6, 8, 2};
    const auto x = random_array<double>(s, 2), dy = random_array<double>(s, 3);
    Array<double> y(s), dx(s), back(s);
    reference::fft3d_forward<double>(stream, x, y);
    reference::fft3d_backward<double>(stream, dy, dx);
    CHECK(dot(y, dy) == doctest::Approx(dot(x, dx)).epsilon(1e-12));
    reference::fft3d_backward<double>(stream, y, back);
    for (auto& v : back) v /= static_cast<double>(s.voxels());
    CHECK(relative_error(back, x) < 1e-12);
  }

  TEST_CASE("results are bitwise the same in place, and on one thread and three") {
    const Shape s{2, 8, 12, 16, 2};
    const auto x = random_array<float>(s, 4);
    Stream one(1), three(3);
    Array<float> y1(s), y3(s);
    cpu::fft3d_forward(one, x, y1);
    std::copy(x.begin(), x.end(), y3.begin());
    cpu::fft3d_forward(three, y3, y3);
    CHECK(std::equal(y1.begin(), y1.end(), y3.begin()));
  }

  TEST_CASE("an odd extent is refused") {
    Stream stream;
    Array<float> x({1, 4, 5, 4, 2}), y({1, 4, 5, 4, 2});
    CHECK_THROWS_WITH_AS(cpu::fft3d_forward(stream, x, y), "fft3d: extents must be even, the field is (1, 4, 5, 4, 2)",
                         Error);
  }
}

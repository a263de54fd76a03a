#include "kernels/wrapped_fft3d.h"

#include <algorithm>
#include <numbers>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("wrapped_fft3d") {
  TEST_CASE("math: a point at index 1 has the phase ramp exp(-2 pi i k / N), one at index 0 none") {
    Stream stream;
    const Shape s{2, 3, 1, 4, 2};
    for (const auto* table : backends()) {
      Array<float> x(s), y(s);
      std::fill(x.begin(), x.end(), 0.0F);
      x.view()(0, 0, 0, 0, 0) = 2;
      x.view()(1, 1, 0, 1, 0) = 1;
      table->wrapped_fft3d_forward(stream, x, y);
      for (Index d = 0; d < 3; ++d)
        for (Index w = 0; w < 4; ++w) {
          const double angle = -2 * std::numbers::pi * (static_cast<double>(d) / 3 + static_cast<double>(w) / 4);
          CHECK(y.view()(0, d, 0, w, 0) == doctest::Approx(2).epsilon(1e-6));
          CHECK(std::abs(y.view()(0, d, 0, w, 1)) < 1e-6);
          CHECK(std::abs(y.view()(1, d, 0, w, 0) - std::cos(angle)) < 1e-6);
          CHECK(std::abs(y.view()(1, d, 0, w, 1) - std::sin(angle)) < 1e-6);
        }
    }
  }

  TEST_CASE("backends: every table agrees with the sums, for even and odd extents, in place and not, the input untouched") {
    for (const Shape s : {Shape{1, 1, 1, 1, 2}, Shape{2, 4, 6, 10, 2}, Shape{3, 5, 7, 3, 2}, Shape{1, 8, 8, 16, 2},
                          Shape{1, 11, 6, 2, 2}}) {
      const auto x = random_array<float>(s, 1);
      Stream stream(2);
      Array<double> y_ref(s), z_ref(s);
      reference::wrapped_fft3d_forward<double>(stream, cast<double>(x), y_ref);
      reference::wrapped_fft3d_backward<double>(stream, cast<double>(x), z_ref);
      for (const auto* table : backends()) {
        Array<float> y(s), z = x;
        const auto same = x;
        table->wrapped_fft3d_forward(stream, x, y);
        table->wrapped_fft3d_backward(stream, z, z);
        CHECK(relative_error(y, y_ref) < 1e-6);
        CHECK(relative_error(z, z_ref) < 1e-6);
        CHECK(std::equal(x.begin(), x.end(), same.begin()));
        y.check_canaries(), z.check_canaries();
      }
    }
  }

  TEST_CASE("backward is the adjoint of forward, and DHW times its inverse") {
    Stream stream;
    const Shape s{1, 4, 3, 5, 2};
    const auto x = random_array<double>(s, 2), dy = random_array<double>(s, 3);
    Array<double> y(s), dx(s), back(s);
    reference::wrapped_fft3d_forward<double>(stream, x, y);
    reference::wrapped_fft3d_backward<double>(stream, dy, dx);
    CHECK(dot(y, dy) == doctest::Approx(dot(x, dx)).epsilon(1e-12));
    reference::wrapped_fft3d_backward<double>(stream, y, back);
    for (auto& v : back) v /= static_cast<double>(s.voxels());
    CHECK(relative_error(back, x) < 1e-12);
  }

  TEST_CASE("one thread and three give the same bits; a real field is refused") {
    const Shape s{2, 8, 12, 15, 2};
    const auto x = random_array<float>(s, 4);
    Stream one(1), three(3);
    Array<float> y1(s), y3(s), real(s.with_channels(1));
    cpu::wrapped_fft3d_forward(one, x, y1);
    cpu::wrapped_fft3d_forward(three, x, y3);
    CHECK(std::equal(y1.begin(), y1.end(), y3.begin()));
    CHECK_THROWS_WITH_AS(cpu::wrapped_fft3d_forward(one, real, real),
                         "wrapped_fft3d: the field has 1 channels, expected 2 (real, imaginary)", Error);
  }
}

#include "kernels/polar.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("polar") {
  TEST_CASE("math: amplitude 2 at 0, 90, 180 and -90 degrees") {
    const Shape s{1, 1, 1, 4, 1};
    Array<double> a(s), phi(s), z(s.with_channels(2));
    const double half_turn = 3.14159265358979323846;
    for (Index i = 0; i < 4; ++i) a[i] = 2, phi[i] = half_turn / 2 * static_cast<double>(i == 3 ? -1 : i);
    Stream stream;
    reference::polar_forward<double>(stream, a, phi, z);
    const double expected[] = {2, 0, 0, 2, -2, 0, 0, -2};
    for (Index i = 0; i < 8; ++i) CHECK(z[i] == doctest::Approx(expected[i]).epsilon(1e-12));
  }

  TEST_CASE("backends: every table agrees with sine and cosine in double, for phases within and far beyond a turn") {
    for (const double width : {1.0, 300.0})
      for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 5, 7, 1}, Shape{1, 16, 16, 17, 1}}) {
        const auto a = random_array<float>(s, 1), phi = random_array<float>(s, 2, width),
                   dz = random_array<float>(s.with_channels(2), 3);
        Stream stream(2);
        Array<double> z_ref(s.with_channels(2)), da_ref(s), dphi_ref(s);
        reference::polar_forward<double>(stream, cast<double>(a), cast<double>(phi), z_ref);
        reference::polar_backward<double>(stream, cast<double>(a), cast<double>(phi), cast<double>(dz), da_ref, dphi_ref);
        for (const auto* table : backends()) {
          Array<float> z(s.with_channels(2)), da(s), dphi(s);
          table->polar_forward(stream, a, phi, z);
          table->polar_backward(stream, a, phi, dz, da, dphi);
          CHECK(relative_error(z, z_ref) < 1e-6);
          CHECK(relative_error(da, da_ref) < 1e-6);
          CHECK(relative_error(dphi, dphi_ref) < 1e-6);
          z.check_canaries(), da.check_canaries(), dphi.check_canaries();
        }
      }
  }

  TEST_CASE("gradient: backward is the derivative of forward") {
    Stream stream;
    const Shape s{1, 2, 3, 4, 1};
    auto a = random_array<double>(s, 4), phi = random_array<double>(s, 5);
    const auto dz = random_array<double>(s.with_channels(2), 6);
    Array<double> z(s.with_channels(2)), da(s), dphi(s);
    const auto f = [&] {
      reference::polar_forward<double>(stream, a, phi, z);
      return dot(z, dz);
    };
    reference::polar_backward<double>(stream, a, phi, dz, da, dphi);
    check_gradient(a, da, f);
    check_gradient(phi, dphi, f);
  }

  TEST_CASE("a phase of another shape is refused") {
    Stream stream;
    Array<float> a({1, 2, 2, 2, 1}), phi({1, 2, 2, 3, 1}), z({1, 2, 2, 2, 2});
    CHECK_THROWS_WITH_AS(cpu::polar_forward(stream, a, phi, z),
                         "polar: phase has shape (1, 2, 2, 3, 1), expected (1, 2, 2, 2, 1)", Error);
  }
}

#include "apps/phasing/strain.h"

#include <cmath>
#include <numbers>

#include "tests/apps/files.h"

using namespace fringe;

namespace {

constexpr Index n = 16;
const std::array<double, 3> voxel{8e-9, 10e-9, 12e-9};  // z, y, x
const Vector3 bragg{1.4e10, 0.6e10, -0.8e10};

Volume<std::uint8_t> ball(double radius) {
  Volume<std::uint8_t> s({n, n, n}, 0);
  for (Index d = 0; d < n; ++d)
    for (Index h = 0; h < n; ++h)
      for (Index w = 0; w < n; ++w)
        s(d, h, w) =
            std::hypot(static_cast<double>(d) - 7.5, static_cast<double>(h) - 7.5, static_cast<double>(w) - 7.5) < radius;
  return s;
}

Vector3 position(Index d, Index h, Index w) {
  return {voxel[2] * (static_cast<double>(w) - 7.5), voxel[1] * (static_cast<double>(h) - 7.5),
          voxel[0] * (static_cast<double>(d) - 7.5)};
}

template <class Displacement>
Volume<Complex> crystal(const Displacement& u) {  // u: along Q [m]
  Volume<Complex> v({n, n, n});
  for (Index d = 0; d < n; ++d)
    for (Index h = 0; h < n; ++h)
      for (Index w = 0; w < n; ++w) v(d, h, w) = Complex(std::polar(2.0, -length(bragg) * u(position(d, h, w))));
  return v;
}

}  // namespace

TEST_SUITE("strain") {
  TEST_CASE("a linear displacement gives the same strain everywhere, its component along Q, surface included") {
    // Tilts of the planes (gradient across Q) are no strain.
    const Vector3 along = scaled(bragg, 1 / length(bragg)), across = cross(along, {0, 0, 1});
    const double strain_value = 1.5e-3;
    const auto u = [&](const Vector3& r) { return strain_value * dot(along, r) + 2e-3 * dot(across, r) + 3e-11; };
    const auto support = ball(6.2);
    const auto e = strain(crystal(u), support, voxel, bragg);
    for (std::size_t i = 0; i < e.data.size(); ++i)
      CHECK(static_cast<double>(e.data[i]) == doctest::Approx(support.data[i] ? strain_value : 0).epsilon(1e-4));
  }

  TEST_CASE("a quadratic displacement gives a linear strain away from the surface, phase jumps or not") {
    const Vector3 along = scaled(bragg, 1 / length(bragg));
    const double curvature = 6e4;  // [1/m]
    const auto u = [&](const Vector3& r) { return 0.5 * curvature * dot(along, r) * dot(along, r); };
    const auto e = strain(crystal(u), ball(7), voxel, bragg);
    const auto core = ball(5);
    double worst = 0, largest = 0;
    for (Index d = 0; d < n; ++d)
      for (Index h = 0; h < n; ++h)
        for (Index w = 0; w < n; ++w)
          if (core(d, h, w)) {
            const double truth = curvature * dot(along, position(d, h, w));
            worst = std::max(worst, std::abs(static_cast<double>(e(d, h, w)) - truth));
            largest = std::max(largest, std::abs(truth));
          }
    CHECK(largest > 2e-3);
    CHECK(worst < 1e-3 * largest);
  }

  TEST_CASE("displacement is -phase / |Q|; voxels whose neighbours lie in a plane have no strain") {
    Volume<float> phase({2, 2, 2}, 0);
    phase(1, 0, 1) = 0.5F;
    CHECK(static_cast<double>(displacement(phase, bragg)(1, 0, 1)) == doctest::Approx(-0.5 / length(bragg)));
    Volume<std::uint8_t> plate({n, n, n}, 0);
    for (Index h = 3; h < 12; ++h)
      for (Index w = 3; w < 12; ++w) plate(8, h, w) = 1;
    const auto e = strain(crystal([](const Vector3& r) { return 1e-3 * r[0]; }), plate, voxel, bragg);
    for (const float v : e.data) CHECK(v == 0);
  }
}

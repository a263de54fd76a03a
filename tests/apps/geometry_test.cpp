#include "apps/phasing/geometry.h"

#include <cmath>
#include <numbers>

#include "apps/io/geometry_file.h"
#include "apps/phasing/prepare.h"
#include "kernels/error.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

constexpr double degree = std::numbers::pi / 180, keV = 1.602176634e-16;
constexpr double hc = 1.98644586e-25;  // [J m]

Diffractometer scan_54() { return io::read_diffractometer(FRINGE_SOURCE_DIR "/examples/34idc.toml"); }

Geometry located(const Diffractometer& d, const Extent& extent = {64, 64, 64}, Geometry g = {}) {
  locate(g, d, extent, "test");
  return g;
}

void check_near(const Vector3& a, const Vector3& b, double tolerance) {
  for (std::size_t i = 0; i < 3; ++i) CHECK(std::abs(a[i] - b[i]) <= tolerance);
}

/// The example with one text replaced, read back.
Diffractometer changed(const Folder& f, const std::string& from, const std::string& to) {
  auto text = contents(FRINGE_SOURCE_DIR "/examples/34idc.toml");
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  std::ofstream(f / "g.toml") << text.replace(at, from.size(), to);
  return io::read_diffractometer(f / "g.toml");
}

}  // namespace

TEST_SUITE("geometry") {
  TEST_CASE("turning is right-handed: x turned about z by a quarter is y") {
    check_near(turned({1, 0, 0}, {0, 0, 2}, std::numbers::pi / 2), {0, 1, 0}, 1e-15);
    check_near(turned({1, 2, 3}, {1, 2, 3}, 1), {1, 2, 3}, 1e-14);
    const auto v = turned({0.3, -0.4, 1.2}, {1, 1, -1}, 0.7);
    CHECK(length(v) == doctest::Approx(1.3));
    check_near(turned(v, {1, 1, -1}, -0.7), {0.3, -0.4, 1.2}, 1e-14);
  }

  TEST_CASE("the example file is scan S0054: cos 2theta = cos delta cos gamma, 34.32 degrees, d = 2.335 A") {
    const auto g = located(scan_54());
    CHECK(std::cos(two_theta(g)) == doctest::Approx(std::cos(32.174 * degree) * std::cos(12.6346 * degree)).epsilon(1e-7));
    CHECK(two_theta(g) / degree == doctest::Approx(34.316).epsilon(1e-4));  // the beamline's own software wrote 34.31626
    CHECK(lattice_spacing(g) == doctest::Approx(2.335e-10).epsilon(2e-4));
    // Bragg's law, by itself.
    CHECK(lattice_spacing(g) == doctest::Approx(hc / (9 * keV) / (2 * std::sin(two_theta(g) / 2))).epsilon(1e-6));
    // The crystal's planes reflect outwards and up.
    CHECK((*g.bragg)[0] > 0);
    CHECK((*g.bragg)[1] > 0);
    CHECK((*g.bragg)[2] < 0);
    // 34-ID-C's angles as options are the same diffractometer.
    auto d = Diffractometer::two_circle(32.174 * degree, 12.6346 * degree, 0.005 * degree);
    d.energy = 9 * keV, d.distance = 0.5, d.pixel_height = d.pixel_width = 55e-6;
    for (std::size_t k = 0; k < 3; ++k) check_near((*located(d).basis_vectors)[k], (*g.basis_vectors)[k], 1e-3);
  }

  TEST_CASE("each step is the change of Q that the exact positions of pixels and sample give") {
    // Pixels that are not square, an arm of two circles, a scanned circle that another carries, angles that belong elsewhere.
    auto d = scan_54();
    d.pixel_height = 50e-6, d.pixel_width = 75e-6;
    d.carriers = {{{0, 0, -1}, 20 * degree}};
    d.scan = {{1, 0, 0}, 0.01 * degree};
    d.reference_pixel = {{-300, 500}};
    const Extent extent{32, 32, 32};
    const double k = d.energy / (hc / (2 * std::numbers::pi));
    const auto q_at = [&](double row, double column) {
      Vector3 p{(column - 500) * 75e-6, -(row + 300) * 50e-6, 0.5};
      p = turned(turned(p, {-1, 0, 0}, 12.6346 * degree), {0, 1, 0}, 32.174 * degree);
      p = scaled(p, k / length(p));
      return Vector3{p[0], p[1], p[2] - k};
    };
    const auto g = located(d, extent);
    const auto& b = *g.basis_vectors;
    const double pixel = k * 55e-6 / 0.5;
    check_near(*g.bragg, q_at(16, 16), 1e-4 * pixel);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(b[1][i] == doctest::Approx((q_at(17, 16)[i] - q_at(15, 16)[i]) / 2).epsilon(1e-5));
      CHECK(b[2][i] == doctest::Approx((q_at(16, 17)[i] - q_at(16, 15)[i]) / 2).epsilon(1e-5));
    }
    // In the sample, Q turns backwards about the scanned axis as its carrier left it: (1, 0, 0) turned by -20 degrees about
    // z.
    const Vector3 axis{std::cos(20 * degree), -std::sin(20 * degree), 0};
    const auto after = turned(*g.bragg, axis, -0.01 * degree), before = turned(*g.bragg, axis, 0.01 * degree);
    for (std::size_t i = 0; i < 3; ++i)
      CHECK(b[0][i] == doctest::Approx((after[i] - before[i]) / 2).epsilon(1e-4).scale(length(b[0]) * 1e-4));
  }

  TEST_CASE("the real-space basis is 2 pi times the inverse of the transposed one, its edges those of voxel_size") {
    const auto g = located(scan_54());
    const Extent extent{48, 64, 80};
    const Basis a = real_basis(*g.basis_vectors, extent);
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j)
        CHECK(dot(a[i], (*g.basis_vectors)[j]) * static_cast<double>(extent[j]) ==
              doctest::Approx(i == j ? 2 * std::numbers::pi : 0).scale(1));
    for (std::size_t i = 0; i < 3; ++i) CHECK(length(a[i]) == doctest::Approx((*g.voxel_size(extent))[i]));
    // Cubic voxels come back as they are.
    const Basis cube{{{0, 0, 1e7}, {0, 2e7, 0}, {4e7, 0, 0}}};
    check_near(real_basis(cube, {10, 10, 10})[2], {2 * std::numbers::pi / 4e8, 0, 0}, 1e-20);
  }

  TEST_CASE("binning and cropping keep voxels and Bragg angle right: fewer, longer steps over the same range") {
    const auto d = scan_54();
    RawScan scan(Volume<float>({128, 64, 64}, 1));
    const auto pattern = [&](const Sampling& sampling) {
      Pattern p = resample(scan, sampling, {});
      locate(p.geometry, d, p.intensity.extent, "test");
      return p.geometry;
    };
    const auto raw = pattern({.centre = {64, 32, 32}, .size = {128, 64, 64}}),
               binned = pattern({.centre = {64, 32, 32}, .binning = {2, 1, 1}, .size = {64, 64, 64}}),
               cropped = pattern({.centre = {64, 32, 32}, .size = {64, 32, 32}});
    const auto a = *raw.voxel_size({128, 64, 64}), b = *binned.voxel_size({64, 64, 64}),
               c = *cropped.voxel_size({64, 32, 32});
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(b[i] == doctest::Approx(a[i]));
      CHECK(c[i] == doctest::Approx(2 * a[i]));
      CHECK((*binned.basis_vectors)[0][i] == doctest::Approx(2 * (*raw.basis_vectors)[0][i]));
    }
    CHECK(raw_centre(binned, {64, 64, 64})[0] == 63.5);  // frames 63 and 64
    CHECK(raw_centre(raw, {128, 64, 64})[0] == 64);
    // With the direct beam known, a pattern centred on another pixel has another Bragg angle.
    auto e = d;
    e.reference_pixel = {{32, 32}};
    Geometry moved;
    moved.origin = {0, 0, 100};
    const Extent extent{128, 64, 64};
    CHECK(two_theta(located(e, extent)) == doctest::Approx(two_theta(raw)));
    CHECK(two_theta(located(e, extent, moved)) - two_theta(raw) ==
          doctest::Approx(std::atan(100 * 55e-6 / 0.5)).epsilon(0.1));
  }

  TEST_CASE("what cannot be is refused, naming the file and the key") {
    const Folder f("geometry");
    const auto refused = [&](const std::string& from, const std::string& to, const std::string& message) {
      CAPTURE(message);
      CHECK_THROWS_WITH_AS(changed(f, from, to), doctest::Contains(message.c_str()), Error);
    };
    refused("energy_keV = 9.0", "", "g.toml: the key energy_keV is missing: photon energy [keV]");
    refused("energy_keV = 9.0", "energy_keV = 9000", "energy_keV = 9000 is not between 0.1 and 1000");
    refused("energy_keV = 9.0", "energy_keV = \"nine\"", "energy_keV must be a number");
    refused("energy_keV = 9.0", "energy_keV = 9.0\nenergy = 9", "unknown key energy; known here are: name, energy_keV");
    refused("distance_m = 0.5", "", "the key detector.distance_m is missing");
    refused("distance_m = 0.5", "distance_m = -0.5", "detector.distance_m = -0.5 is not between");
    refused("pixel_size_um = 55.0", "pixel_size_um = [55, 55, 55]", "detector.pixel_size_um has 3 numbers");
    refused("row = \"-y\"", "row = \"down\"", "detector.row = \"down\" is no direction");
    refused("row = \"-y\"", "row = \"-x\"", "must span a plane that the beam (z) crosses; these are parallel");
    refused("row = \"-y\"", "row = \"z\"", "these contain the beam");
    refused("degrees = 32.174", "degrees = 3217.4", "detector.rotations[0].degrees = 3217.4 is not between -360 and 360");
    refused("degrees = 32.174", "degree = 32.174", "unknown key detector.rotations[0].degree");
    refused("axis = \"-x\", ", "", "detector.rotations[1].axis is missing");
    refused("axis = \"-x\"", "axis = [0, 0, 0]", "detector.rotations[1].axis = [0, 0, 0] is no direction");
    refused("step_degrees = 0.005", "step_degrees = 0", "scan.step_degrees = 0: without a turn");
    refused("step_degrees = 0.005", "step_degrees = 30", "scan.step_degrees = 30 is not between -5 and 5");
    refused("[scan]", "[scan", "g.toml: line ");
    refused("[scan]\naxis = \"+y\"           # theta\nstep_degrees = 0.005", "scan = 3", "unknown key detector.scan");
    CHECK_THROWS_WITH_AS(io::read_diffractometer(f / "none.toml"), doctest::Contains("none.toml: no such file"), Error);

    auto d = scan_54();
    d.detector.clear();
    CHECK_THROWS_WITH_AS(located(d), doctest::Contains("test: the detector stands in the direct beam"), Error);
    d = scan_54();
    d.scan.axis = *located(scan_54()).bragg;
    CHECK_THROWS_WITH_AS(located(d), doctest::Contains("the scanned axis is parallel to the scattering vector"), Error);
    d = scan_54();
    d.detector = {{{0, 1, 0}, 30 * degree}};
    d.scan.axis = {0, 0, 1};  // moves Q up and down, as the rows do
    d.row = {0, -1, 0};
    d.column = {0.5, 0.5, 0};
    CHECK_THROWS_WITH_AS(located(d), doctest::Contains("within the plane of the detector"), Error);
    CHECK_THROWS_WITH_AS(real_basis({{{1, 0, 0}, {0, 1, 0}, {1, 1, 0}}}, {8, 8, 8}),
                         doctest::Contains("the reciprocal basis is singular"), Error);
  }
}

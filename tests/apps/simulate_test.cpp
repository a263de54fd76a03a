#include "apps/phasing/simulate.h"

#include <algorithm>

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/error.h"

using namespace fringe;

namespace {

CrystalOptions small_crystal() {
  CrystalOptions options;
  options.size = 32;
  return options;
}

double total(const Volume<float>& v) { return std::accumulate(v.data.begin(), v.data.end(), 0.0); }

}  // namespace

TEST_SUITE("simulate") {
  TEST_CASE("one and two threads give the same crystal and the same pattern, noise included") {
    for (const bool smooth : {false, true}) {
      CrystalOptions options = small_crystal();
      options.smooth_edge = smooth;
      const auto one = make_crystal(options, 11, 0, 1), two = make_crystal(options, 11, 0, 2);
      CHECK(one.data == two.data);
      const Exposure noisy{1e5, true};
      CHECK(expose(one, noisy, 11, 0, 1).intensity.data == expose(two, noisy, 11, 0, 2).intensity.data);
    }
  }

  TEST_CASE("seed and index each name another crystal") {
    const auto options = small_crystal();
    const auto a = make_crystal(options, 1, 0);
    CHECK(a.data != make_crystal(options, 2, 0).data);
    CHECK(a.data != make_crystal(options, 1, 1).data);
    CHECK(a.data == make_crystal(options, 1, 0).data);
  }

  TEST_CASE("the pattern is the direct Fourier sum of the padded crystal") {
    const auto crystal = make_crystal(small_crystal(), 3);
    const auto intensity = diffract(crystal, {32, 32, 32});
    for (const auto& q : {Extent{16, 16, 16}, Extent{17, 16, 16}, Extent{3, 20, 31}, Extent{0, 0, 0}, Extent{16, 9, 22}}) {
      std::complex<double> sum = 0;
      for (Index d = 0; d < 16; ++d)
        for (Index h = 0; h < 16; ++h)
          for (Index w = 0; w < 16; ++w) {
            const double turns = static_cast<double>((q[0] - 16) * (d - 8) + (q[1] - 16) * (h - 8) + (q[2] - 16) * (w - 8)) / 32;
            sum += std::complex<double>(crystal(d, h, w)) * std::polar(1.0, -2 * std::numbers::pi * turns);
          }
      CHECK(intensity(q[0], q[1], q[2]) == doctest::Approx(std::norm(sum)).epsilon(1e-9));
    }
  }

  TEST_CASE("amplitude is 0 or 1, the phase covers its range exactly, the outermost layer is empty") {
    for (const auto shape : {CrystalShape::superellipsoid, CrystalShape::polyhedron})
      for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        CrystalOptions options = small_crystal();
        options.shape = shape;
        options.phase_range = 2.5;
        const auto crystal = make_crystal(options, seed);
        double low = 10, high = -10;
        Index inside = 0;
        for (Index d = 0; d < 16; ++d)
          for (Index h = 0; h < 16; ++h)
            for (Index w = 0; w < 16; ++w) {
              const Complex v = crystal(d, h, w);
              if (std::abs(v) == 0) continue;
              ++inside;
              CHECK(std::abs(v) == doctest::Approx(1));
              CHECK(std::min({d, h, w}) > 0);
              CHECK(std::max({d, h, w}) < 15);
              low = std::min(low, static_cast<double>(std::arg(v)));
              high = std::max(high, static_cast<double>(std::arg(v)));
            }
        CHECK(inside > 61);
        CHECK(low == doctest::Approx(0).epsilon(1e-6));
        CHECK(high == doctest::Approx(2.5));
      }
  }

  TEST_CASE("a phase range of zero gives a real crystal") {
    CrystalOptions options = small_crystal();
    options.phase_range = 0;
    for (const auto& v : make_crystal(options, 4).data) CHECK(v.imag() == 0);
  }

  TEST_CASE("a smooth edge has the same volume as the sharp one to a few per cent, and values between 0 and 1") {
    CrystalOptions options;
    const auto sharp = make_crystal(options, 5);
    options.smooth_edge = true;
    const auto smooth = make_crystal(options, 5);
    double sharp_volume = 0, smooth_volume = 0;
    Index between = 0;
    for (std::size_t i = 0; i < sharp.data.size(); ++i) {
      sharp_volume += std::abs(sharp.data[i]);
      smooth_volume += std::abs(smooth.data[i]);
      between += std::abs(smooth.data[i]) > 0.01 && std::abs(smooth.data[i]) < 0.99;
    }
    CHECK(smooth_volume == doctest::Approx(sharp_volume).epsilon(0.04));
    CHECK(between > 100);
  }

  TEST_CASE("orientations leave no direction preferred") {
    // Mean of the squared components of the inertia over many crystals: equal along the three axes.
    double moment[3] = {};
    CrystalOptions options = small_crystal();
    for (std::uint64_t i = 0; i < 120; ++i) {
      const auto crystal = make_crystal(options, 9, i);
      double own[3] = {}, sum = 0;
      for (Index d = 0; d < 16; ++d)
        for (Index h = 0; h < 16; ++h)
          for (Index w = 0; w < 16; ++w) {
            const double a = std::abs(crystal(d, h, w));
            const double x[3] = {static_cast<double>(d - 8), static_cast<double>(h - 8), static_cast<double>(w - 8)};
            for (int k = 0; k < 3; ++k) own[k] += a * x[k] * x[k];
            sum += a;
          }
      for (int k = 0; k < 3; ++k) moment[k] += own[k] / sum;
    }
    for (int k = 0; k < 3; ++k) CHECK(moment[k] == doctest::Approx((moment[0] + moment[1] + moment[2]) / 3).epsilon(0.1));
  }

  TEST_CASE("photons are what was asked for: exactly without noise, within their fluctuation with it") {
    const auto crystal = make_crystal(small_crystal(), 6);
    CHECK(total(expose(crystal, {1e6, false}, 6).intensity) == doctest::Approx(1e6).epsilon(1e-6));
    const auto noisy = expose(crystal, {1e6, true}, 6).intensity;
    CHECK(std::abs(total(noisy) - 1e6) < 5e3);
    for (const float v : noisy.data) CHECK(v == std::floor(v));
  }

  TEST_CASE("options out of range are refused with what was found") {
    CrystalOptions options = small_crystal();
    options.size = 33;
    CHECK_THROWS_WITH_AS(make_crystal(options, 1), "simulate: the size must be an even number from 8 to 1024, not 33", Error);
    options = small_crystal();
    options.semi_axis = {0.49, 0.5};
    options.exponent = {0.1, 0.1};
    CHECK_THROWS_AS(make_crystal(options, 1), Error);
    CHECK_THROWS_AS(expose(Volume<Complex>({4, 4, 4}), {}, 1), Error);
  }
}

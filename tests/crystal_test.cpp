#include "kernels/crystal.h"

#include <algorithm>
#include <complex>

#include "kernels/wrapped_fft3d.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Number k of a few: superellipsoids and polyhedra, turned.
CrystalForm form(Index k, double radius) {
  CrystalForm f;
  f.polyhedron = k % 2 == 1;
  const double angle = 0.3 + 0.7 * static_cast<double>(k), c = std::cos(angle), s = std::sin(angle);
  const double rotation[3][3] = {{c, -s * 0.6, s * 0.8}, {s, c * 0.6, -c * 0.8}, {0, 0.8, 0.6}};
  std::copy(&rotation[0][0], &rotation[0][0] + 9, &f.rotation[0][0]);
  f.axis[0] = radius, f.axis[1] = 0.8 * radius, f.axis[2] = 0.6 * radius;
  f.exponent[0] = 0.5 + 0.1 * static_cast<double>(k), f.exponent[1] = 0.9;
  for (int i = 0; i < 26; ++i) f.distance[i] = radius * (0.8 + 0.01 * i);
  return f;
}
std::vector<CrystalForm> forms(Index count, double radius) {
  std::vector<CrystalForm> all;
  for (Index k = 0; k < count; ++k) all.push_back(form(k, radius));
  return all;
}

}  // namespace

TEST_SUITE("crystal") {
  TEST_CASE("math: a ball of radius 2.1 has 33 voxels, a cube of half width 1.5 has 27; the faces' voxels are counted") {
    Stream stream;
    CrystalForm ball, cube;
    for (auto* f : {&ball, &cube})
      for (int i = 0; i < 3; ++i) f->rotation[i][i] = 1;
    for (auto& a : ball.axis) a = 2.1;
    ball.exponent[0] = ball.exponent[1] = 1;
    cube.polyhedron = true;
    std::fill(cube.distance, cube.distance + 26, 1.5 * std::sqrt(3.0));
    for (const int facet : {4, 10, 12, 13, 15, 21}) cube.distance[facet] = 1.5;  // (+-1, 0, 0) and so on
    const std::vector<CrystalForm> both{ball, cube};
    for (const auto* table : backends()) {
      Array<float> density({2, 7, 7, 7, 1}), stats({2, 1, 1, 1, 2}), small({2, 3, 3, 3, 1});
      table->crystal_density(stream, both, false, density, stats);
      CHECK(stats[0] == 33);
      CHECK(stats[2] == 27);
      CHECK(stats[1] == 0);
      CHECK(stats[3] == 0);
      CHECK(density.view()(0, 3, 3, 5, 0) == 1);
      CHECK(density.view()(0, 3, 4, 5, 0) == 0);
      table->crystal_density(stream, both, false, small, stats);
      CHECK(stats[3] == 26);
      table->crystal_density(stream, both, true, density, stats);
      CHECK(density.view()(1, 3, 3, 4, 0) == 1);
      CHECK(stats[2] == doctest::Approx(27).epsilon(1e-6));  // its surface lies between voxels
      CHECK(stats[0] == doctest::Approx(4.18879 * 2.1 * 2.1 * 2.1).epsilon(0.03));
    }
  }

  TEST_CASE("backends: densities are the reference's, more of them than go with one launch, smooth or not") {
    Stream stream(3);
    for (const Shape s : {Shape{1, 3, 2, 4, 1}, Shape{11, 9, 8, 7, 1}, Shape{2, 12, 13, 14, 1}})
      for (const bool smooth : {false, true}) {
        if (quick_tests() && smooth && s.n == 2) continue;
        const auto all = forms(s.n, 3.7);
        Array<double> density_ref(s), stats_ref({s.n, 1, 1, 1, 2});
        reference::crystal_density<double>(stream, all, smooth, density_ref, stats_ref);
        for (const auto* table : backends()) {
          Array<float> density(s), stats(stats_ref.shape());
          table->crystal_density(stream, all, smooth, density, stats);
          CHECK(relative_error(density, density_ref) < 1e-6);
          CHECK(relative_error(stats, stats_ref) < 1e-6);
          density.check_canaries(), stats.check_canaries();
        }
      }
  }

  TEST_CASE("phase_noise: every table draws the same normal numbers, of mean 0 and variance 1, by series and plane") {
    Stream stream(2);
    const Shape s{18, 3, 5, 7, 2};
    std::vector<std::uint64_t> series;
    for (Index n = 0; n < s.n; ++n) series.push_back(static_cast<std::uint64_t>(n < 17 ? n : 0) * 1'000'000'007ULL);
    Array<double> ref(s);
    reference::phase_noise<double>(stream, 0x123456789abcdefULL, 2, series, ref);
    double sum = 0, squares = 0;
    for (Index i = 0; i < s.rows(); ++i) sum += ref[2 * i], squares += ref[2 * i] * ref[2 * i];
    CHECK(std::abs(sum) < 4 * std::sqrt(static_cast<double>(s.rows())));
    CHECK(squares / static_cast<double>(s.rows()) == doctest::Approx(1).epsilon(0.1));
    CHECK(std::equal(ref.begin(), ref.begin() + s.per_sample(), ref.begin() + 17 * s.per_sample()));
    CHECK(ref[0] != ref[s.per_sample()]);
    for (const auto* table : backends()) {
      Array<float> noise(s);
      table->phase_noise(stream, 0x123456789abcdefULL, 2, series, noise);
      CHECK(relative_error(noise, ref) < 1e-6);
      noise.check_canaries();
    }
  }

  TEST_CASE("gaussian_filter: every table agrees with the reference; a point becomes the Gaussian exp(-(r/L)^2) of unit area") {
    Stream stream(2);
    for (const Shape s : {Shape{1, 2, 2, 2, 2}, Shape{19, 4, 3, 5, 2}, Shape{2, 8, 9, 10, 2}}) {
      std::vector<std::array<double, 3>> lengths;
      for (Index n = 0; n < s.n; ++n) lengths.push_back({0.5 + 0.1 * static_cast<double>(n), 0.7, 1.1});
      const auto x = random_array<float>(s, 1);
      Array<double> ref(s);
      reference::gaussian_filter<double>(stream, lengths, 0.25, cast<double>(x), ref);
      for (const auto* table : backends()) {
        Array<float> y(s), in_place = x;
        table->gaussian_filter(stream, lengths, 0.25, x, y);
        table->gaussian_filter(stream, lengths, 0.25, in_place, in_place);
        CHECK(relative_error(y, ref) < 1e-6);
        CHECK(std::equal(y.begin(), y.end(), in_place.begin()));
        y.check_canaries();
      }
    }
    const Shape s{1, 16, 16, 16, 2};
    const std::vector<std::array<double, 3>> lengths{{2, 2, 2}};
    Array<double> f(s);
    std::fill(f.begin(), f.end(), 0.0);
    f[0] = 1;
    reference::wrapped_fft3d_forward<double>(stream, f, f);
    reference::gaussian_filter<double>(stream, lengths, 1.0 / 4096, f, f);
    reference::wrapped_fft3d_backward<double>(stream, f, f);
    const double peak = std::pow(4 * 3.141592653589793, -1.5);
    CHECK(f[0] == doctest::Approx(peak).epsilon(1e-3));
    CHECK(f.view()(0, 0, 2, 15, 0) == doctest::Approx(peak * std::exp(-5.0 / 4)).epsilon(1e-3));
  }

  TEST_CASE("crystal_object: every table agrees with the reference; phases inside cover the range, from 0") {
    Stream stream(2);
    for (const Shape s : {Shape{1, 3, 2, 4, 1}, Shape{18, 5, 6, 3, 1}, Shape{2, 12, 11, 10, 1}}) {
      const Shape around{s.n, 2 * s.d, s.h + 3, s.w, 2};
      auto density = random_array<float>(s, 1);
      for (auto& v : density) v = std::max(0.0F, v);
      if (s.n == 2) std::fill(density.begin() + s.per_sample(), density.end(), 0.0F);  // an empty one
      const auto field = random_array<float>(around, 2);
      std::vector<double> ranges;
      for (Index n = 0; n < s.n; ++n) ranges.push_back(1 + 0.5 * static_cast<double>(n));
      Array<double> ref(s.with_channels(2));
      reference::crystal_object<double>(stream, ranges, cast<double>(density), cast<double>(field), ref);
      double least = 10, most = -10;
      for (Index i = 0; i < s.voxels(); ++i)
        if (density[i] > 0) {
          const double phase = std::arg(std::complex<double>(ref[2 * i], ref[2 * i + 1]));
          least = std::min(least, phase), most = std::max(most, phase);
        }
      CHECK(least == doctest::Approx(0).epsilon(1e-9));
      CHECK(most == doctest::Approx(1));
      for (const auto* table : backends()) {
        Array<float> object(ref.shape());
        table->crystal_object(stream, ranges, density, field, object);
        CHECK(relative_error(object, ref) < 1e-5);
        object.check_canaries();
      }
    }
  }

  TEST_CASE("lists and shapes that do not fit are refused") {
    Stream stream;
    Array<float> density({2, 3, 3, 3, 1}), stats({2, 1, 1, 1, 2}), field({2, 2, 3, 3, 2}), object({2, 3, 3, 3, 2});
    for (const auto* table : backends()) {
      CHECK_THROWS_WITH_AS(table->crystal_density(stream, forms(3, 1), false, density, stats),
                           "crystal_density: 3 forms for 2 crystals", Error);
      const std::vector<double> ranges{1, 2};
      CHECK_THROWS_AS(table->crystal_object(stream, ranges, density, field, object), Error);
    }
  }
}

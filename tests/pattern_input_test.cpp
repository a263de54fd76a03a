#include "kernels/pattern_input.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Array<float> intensities(const Shape& s, unsigned seed) {
  auto a = random_array<float>(s, seed, 30);
  for (auto& v : a) v *= v;
  a[s.size() / 3] = 0;
  return a;
}

}  // namespace

TEST_SUITE("pattern_input") {
  TEST_CASE("math: the largest amplitude becomes 1, linearly or in decades") {
    Stream stream;
    const Shape s{2, 1, 1, 2, 1};
    for (const auto* table : backends()) {
      Array<float> i(s), a(s), y(s);
      i[0] = 4, i[1] = 16, i[2] = 0.0081F, i[3] = 0;
      table->pattern_amplitude(stream, i, a);
      CHECK(a[1] == doctest::Approx(4));
      table->relative_amplitude(stream, false, a, y);
      CHECK(y[0] == doctest::Approx(0.5));
      CHECK(y[2] == doctest::Approx(1));
      table->relative_amplitude(stream, true, a, y);
      CHECK(y[0] == doctest::Approx(std::log(501.0) / std::log(1001.0)));
      CHECK(y[1] == doctest::Approx(1));
      CHECK(y[3] == 0);
    }
  }

  TEST_CASE("math: an autocorrelation is 1 at its centre, its imaginary part magnified") {
    Stream stream;
    const Shape s{1, 1, 1, 4, 1};
    for (const auto* table : backends()) {
      Array<float> i(s), z(s.with_channels(2)), y(z.shape());
      for (Index k = 0; k < 4; ++k) i[k] = static_cast<float>(k) + 1;
      table->complex_intensity(stream, i, z);
      CHECK(z[6] == 4);
      CHECK(z[7] == 0);
      z[4] = 9, z[0] = 0, z[1] = 2.25F, z[2] = z[3] = 0;  // p = 1 at voxel 2; i / 4; 0
      table->autocorrelation_input(stream, z, y);
      CHECK(y[4] == doctest::Approx(1));
      CHECK(y[0] == 0);
      CHECK(y[1] == doctest::Approx(4 * 0.25 / 0.5));
      CHECK(y[2] == 0);
    }
  }

  TEST_CASE("backends: every table equals the reference in double") {
    Stream stream(2);
    for (const auto* table : backends())
      for (const Shape& s : {Shape{1, 1, 1, 1, 1}, Shape{3, 5, 2, 7, 1}, Shape{2, 8, 16, 17, 1}}) {
        auto i = intensities(s, 1);
        for (Index n = 0; n < s.n; ++n) i[n * s.voxels() + pattern_input::centre(s)] += 5e4F;
        const auto wide = cast<double>(i);
        Array<float> a(s), y(s), z(s.with_channels(2)), c(z.shape());
        Array<double> wanted_a(s), wanted_y(s), wanted_z(z.shape()), wanted_c(z.shape());
        table->pattern_amplitude(stream, i, a);
        reference::pattern_amplitude<double>(stream, wide, wanted_a);
        CHECK(relative_error(a, wanted_a) < 1e-6);
        for (const bool logarithm : {false, true}) {
          table->relative_amplitude(stream, logarithm, a, y);
          reference::relative_amplitude<double>(stream, logarithm, cast<double>(a), wanted_y);
          CHECK(relative_error(y, wanted_y) < 1e-6);
          y.check_canaries();
        }
        table->complex_intensity(stream, i, z);
        reference::complex_intensity<double>(stream, wide, wanted_z);
        CHECK(relative_error(z, wanted_z) == 0);
        for (Index k = 0; k < s.size(); ++k) z[2 * k + 1] = 0.1F * z[2 * k] - 3;
        table->autocorrelation_input(stream, z, c);
        reference::autocorrelation_input<double>(stream, cast<double>(z), wanted_c);
        CHECK(relative_error(c, wanted_c) < 1e-6);
        a.check_canaries(), z.check_canaries(), c.check_canaries();
      }
  }

  TEST_CASE("shapes that do not fit are refused") {
    Stream stream;
    const auto x = intensities({1, 2, 2, 2, 1}, 1);
    Array<float> y({1, 2, 2, 2, 2});
    for (const auto* table : backends()) {
      CHECK_THROWS_AS(table->pattern_amplitude(stream, x, y), Error);
      CHECK_THROWS_AS(table->relative_amplitude(stream, true, x, y), Error);
      CHECK_THROWS_AS(table->complex_intensity(stream, y, y), Error);
      CHECK_THROWS_AS(table->autocorrelation_input(stream, x, y), Error);
    }
  }
}

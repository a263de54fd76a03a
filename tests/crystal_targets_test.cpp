#include "kernels/crystal_targets.h"

#include <complex>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Densities within a radian of one phase, which keeps away from where arg jumps; zeros outside a ball, another for each sample.
template <class T>
Array<T> random_crystals(const Shape& s, unsigned seed) {
  Array<T> a = random_array<T>(s, seed, 0.3);
  auto v = a.view();
  for (Index n = 0; n < s.n; ++n)
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h)
        for (Index w = 0; w < s.w; ++w) {
          const Index x = d - s.d / 2, y = h - s.h / 2, z = w - s.w / 2;
          const bool inside = 4 * (x * x + y * y + z * z) <= (s.w + n) * (s.w + n);
          v(n, d, h, w, 0) = inside ? v(n, d, h, w, 0) + 2 : T(0);
          if (!inside) v(n, d, h, w, 1) = 0;
        }
  return a;
}

}  // namespace

TEST_SUITE("crystal_targets") {
  TEST_CASE("math: three voxels in a row; their twin is conjugated and turned, without the layer that has no counterpart") {
    Stream stream;
    const Shape s{1, 1, 1, 4, 2};
    for (const auto* table : backends()) {
      Array<float> object(s), amplitude(s.with_channels(1)), phase(s.with_channels(1)), field(s);
      std::fill(object.begin(), object.end(), 0.0F);
      const auto set = [&](Index w, float a, float phi) {
        object[2 * w] = a * std::cos(phi), object[2 * w + 1] = a * std::sin(phi);
      };
      set(0, 7, 0.3F), set(1, 1, 0.5F), set(2, 2, 0.9F);
      table->crystal_targets(stream, false, object, amplitude, phase, field);
      const float a[] = {7, 1, 2, 0}, phi[] = {0, 0.2F, 0.6F, 0};
      for (Index w = 0; w < 4; ++w) {
        CHECK(amplitude[w] == doctest::Approx(a[w]));
        CHECK(phase[w] == doctest::Approx(phi[w]));
      }
      float real = 0, imaginary = 0;
      for (Index w = 0; w < 4; ++w) real += field[2 * w], imaginary += field[2 * w + 1];
      CHECK(std::abs(imaginary) < 1e-6F);
      CHECK(real > 0);
      table->crystal_targets(stream, true, object, amplitude, phase, field);
      const float twin[] = {0, 0, 2, 1}, twin_phi[] = {0, 0, 0, 0.4F};
      for (Index w = 0; w < 4; ++w) {
        CHECK(amplitude[w] == doctest::Approx(twin[w]));
        CHECK(phase[w] == doctest::Approx(twin_phi[w]));
      }
    }
  }

  TEST_CASE("backends: every table equals the reference in double, of crystals and twins, odd and even extents") {
    for (const auto* table : backends())
      for (const Shape& s : {Shape{1, 1, 1, 1, 2}, Shape{3, 5, 6, 7, 2}, Shape{2, 8, 8, 8, 2}, Shape{2, 13, 16, 17, 2}})
        for (const bool twin : {false, true}) {
          Stream stream(2);
          const auto object = random_crystals<float>(s, 3);
          const auto wide = cast<double>(object);
          Array<float> amplitude(s.with_channels(1)), phase(s.with_channels(1)), field(s);
          Array<double> wanted_amplitude(s.with_channels(1)), wanted_phase(s.with_channels(1)), wanted_field(s);
          table->crystal_targets(stream, twin, object, amplitude, phase, field);
          reference::crystal_targets<double>(stream, twin, wide, wanted_amplitude, wanted_phase, wanted_field);
          CHECK(relative_error(amplitude, wanted_amplitude) < 1e-6);
          CHECK(relative_error(phase, wanted_phase) < 1e-5);
          CHECK(relative_error(field, wanted_field) < 1e-6);
          for (auto* a : {&amplitude, &phase, &field}) a->check_canaries();
        }
  }

  TEST_CASE("a crystal of zeros has targets of zeros; shapes that do not fit are refused") {
    Stream stream;
    const Shape s{1, 2, 2, 2, 2};
    for (const auto* table : backends()) {
      Array<float> object(s), amplitude(s.with_channels(1)), phase(s.with_channels(1)), field(s);
      std::fill(object.begin(), object.end(), 0.0F);
      table->crystal_targets(stream, true, object, amplitude, phase, field);
      for (const float v : amplitude) CHECK(v == 0);
      for (const float v : phase) CHECK(v == 0);
      for (const float v : field) CHECK(v == 0);
      CHECK_THROWS_AS(table->crystal_targets(stream, true, object, amplitude, phase, amplitude), Error);
    }
  }
}

#include "kernels/modulus_projection.h"

#include <algorithm>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Amplitudes, every third of which was not measured.
Array<float> amplitudes(Shape s, unsigned seed) {
  auto a = random_array<float>(s, seed);
  for (Index i = 0; i < s.size(); ++i) a[i] = i % 3 == 1 ? -1.0F : std::abs(a[i]);
  return a;
}

}  // namespace

TEST_SUITE("modulus_projection") {
  TEST_CASE("math: (3, 4) with amplitude 10 becomes (6, 8), misfit 25; what was not measured is only scaled; 0 has no phase") {
    Stream stream;
    const Shape s{1, 1, 1, 3, 1};
    for (const auto* table : backends()) {
      Array<float> f(s.with_channels(2)), a(s), y(f.shape()), misfit(sample_vector(1));
      const float field[] = {3, 4, 5, 6, 0, 0}, amplitude[] = {10, -1, 2};
      std::copy(field, field + 6, f.begin());
      std::copy(amplitude, amplitude + 3, a.begin());
      table->modulus_projection(stream, 0.5F, a, f, y, misfit);
      const float expected[] = {3, 4, 2.5F, 3, 0, 0};
      for (Index i = 0; i < 6; ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));
      CHECK(misfit[0] == doctest::Approx(25 + 4).epsilon(1e-6));
    }
  }

  TEST_CASE("backends: every table agrees with the reference, odd sizes, one amplitude for all samples or one each, in place") {
    for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{3, 3, 5, 7, 1}, Shape{2, 4, 6, 10, 1}, Shape{1, 17, 16, 20, 1}})
      for (const Index n : {Index{1}, s.n}) {
        Shape as = s;
        as.n = n;
        const auto f = random_array<float>(s.with_channels(2), 1);
        const auto a = amplitudes(as, 2);
        Stream stream(2);
        Array<double> y_ref(f.shape()), misfit_ref(sample_vector(s.n));
        reference::modulus_projection<double>(stream, 0.25, cast<double>(a), cast<double>(f), y_ref, misfit_ref);
        for (const auto* table : backends()) {
          Array<float> y(f.shape()), misfit(sample_vector(s.n)), in_place = f, again(sample_vector(s.n));
          table->modulus_projection(stream, 0.25F, a, f, y, misfit);
          table->modulus_projection(stream, 0.25F, a, in_place, in_place, again);
          CHECK(relative_error(y, y_ref) < 1e-6);
          CHECK(relative_error(misfit, misfit_ref) < 1e-5);
          CHECK(std::equal(y.begin(), y.end(), in_place.begin()));
          CHECK(std::equal(misfit.begin(), misfit.end(), again.begin()));
          y.check_canaries(), misfit.check_canaries();
        }
      }
  }

  TEST_CASE("a projection: done twice it changes nothing more") {
    Stream stream;
    const Shape s{1, 3, 4, 5, 1};
    auto f = random_array<double>(s.with_channels(2), 3);
    const auto a = cast<double>(amplitudes(s, 4));
    Array<double> once(f.shape()), twice(f.shape()), misfit(sample_vector(1));
    reference::modulus_projection<double>(stream, 1.0, a, f, once, misfit);
    CHECK(misfit[0] > 1);
    reference::modulus_projection<double>(stream, 1.0, a, once, twice, misfit);
    CHECK(relative_error(twice, once) < 1e-14);
    CHECK(misfit[0] < 1e-25);
  }

  TEST_CASE("one thread and three give the same bits; amplitudes of another size are refused") {
    const Shape s{2, 9, 16, 17, 1};
    const auto f = random_array<float>(s.with_channels(2), 5);
    const auto a = amplitudes(s, 6);
    Stream one(1), three(3);
    Array<float> y(f.shape()), m1(sample_vector(2)), m3(sample_vector(2)), small({1, 9, 16, 16, 1});
    cpu::modulus_projection(one, 1, a, f, y, m1);
    cpu::modulus_projection(three, 1, a, f, y, m3);
    CHECK(std::equal(m1.begin(), m1.end(), m3.begin()));
    CHECK_THROWS_WITH_AS(cpu::modulus_projection(one, 1, small, f, y, m1),
                         "modulus_projection: a has shape (1, 9, 16, 16, 1), expected (1, 9, 16, 17, 1)", Error);
  }
}

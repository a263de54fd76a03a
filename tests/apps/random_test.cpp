#include "apps/phasing/random.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "kernels/error.h"

using namespace fringe;

TEST_SUITE("random") {
  TEST_CASE("sequences with equal names are equal, all others differ") {
    Random a(7, Draw::test, 3), b(7, Draw::test, 3), seed(8, Draw::test, 3), index(7, Draw::test, 4),
        purpose(7, Draw::photons, 3);
    for (int i = 0; i < 20; ++i) {
      const auto bits = a.bits();
      CHECK(bits == b.bits());
      CHECK(bits != seed.bits());
      CHECK(bits != index.bits());
      CHECK(bits != purpose.bits());
    }
  }

  TEST_CASE("normal numbers have mean 0, variance 1, kurtosis 3") {
    Random random(1, Draw::test, 0);
    double m1 = 0, m2 = 0, m4 = 0;
    constexpr int n = 200000;
    for (int i = 0; i < n; ++i) {
      const double x = random.normal();
      m1 += x / n, m2 += x * x / n, m4 += x * x * x * x / n;
    }
    CHECK(std::abs(m1) < 0.01);
    CHECK(m2 == doctest::Approx(1).epsilon(0.02));
    CHECK(m4 == doctest::Approx(3).epsilon(0.04));
  }

  TEST_CASE("Poisson deviates follow the distribution's probabilities on both sides of the change of method") {
    for (const double mean : {0.02, 0.7, 3.0, 9.99, 10.01, 25.0, 400.0}) {
      CAPTURE(mean);
      constexpr int n = 200000;
      std::vector<double> count(1000, 0);
      double sum = 0, squares = 0;
      for (int i = 0; i < n; ++i) {
        Random random(5, Draw::test, static_cast<std::uint64_t>(i));
        const double k = random.poisson(mean);
        REQUIRE(k == std::floor(k));
        REQUIRE(k >= 0);
        sum += k, squares += (k - mean) * (k - mean);
        if (k < 1000) ++count[static_cast<std::size_t>(k)];
      }
      CHECK(std::abs(sum / n - mean) < 4.5 * std::sqrt(mean / n));
      CHECK(squares / n == doctest::Approx(mean).epsilon(mean < 0.1 ? 0.08 : 0.02));
      // Chi-square test over the classes that expect at least 10 deviates.
      double chi_square = 0;
      int classes = 0;
      for (std::size_t k = 0; k < count.size(); ++k) {
        const double x = static_cast<double>(k), expected = n * std::exp(x * std::log(mean) - mean - std::lgamma(x + 1));
        if (expected < 10) continue;
        chi_square += (count[k] - expected) * (count[k] - expected) / expected;
        ++classes;
      }
      CHECK(chi_square < classes + 4.5 * std::sqrt(2.0 * classes));
    }
  }

  TEST_CASE("means of nothing and of very many photons work, others are refused") {
    Random random(1, Draw::test, 0);
    CHECK(random.poisson(0) == 0);
    CHECK(std::abs(random.poisson(1e12) - 1e12) < 6e6);
    CHECK_THROWS_AS(random.poisson(-1), Error);
    CHECK_THROWS_AS(random.poisson(NAN), Error);
  }
}

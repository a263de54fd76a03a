#include "apps/phasing/uncertainty.h"

#include <doctest/doctest.h>

#include <cmath>
#include <numbers>

using namespace fringe;

TEST_SUITE("uncertainty") {
  TEST_CASE("by hand: mean and standard deviation of amplitude and phase, across the branch cut too") {
    const float pi = std::numbers::pi_v<float>;
    Volume<Complex> a({1, 1, 3}), b({1, 1, 3});
    a.data = {Complex(1), std::polar(2.0F, pi - 0.1F), Complex(0)};
    b.data = {Complex(3), std::polar(2.0F, -pi + 0.1F), Complex(0)};
    const auto u = uncertainty({a, b});
    CHECK(u.amplitude_mean.data[0] == doctest::Approx(2));
    CHECK(u.amplitude_std.data[0] == doctest::Approx(std::sqrt(2.0)));
    CHECK(u.phase_std.data[0] == 0);
    CHECK(u.amplitude_std.data[1] == doctest::Approx(0).epsilon(1e-6));
    CHECK(std::abs(u.phase_mean.data[1]) == doctest::Approx(std::numbers::pi));
    CHECK(u.phase_std.data[1] == doctest::Approx(0.1 * std::sqrt(2.0)));
    for (const auto* map : {&u.amplitude_mean, &u.amplitude_std, &u.phase_mean, &u.phase_std}) CHECK(map->data[2] == 0);
  }

  TEST_CASE("a phase counts as much as there is crystal under it; one object has no deviations") {
    Volume<Complex> a({1, 1, 1}), b({1, 1, 1});
    a.data = {Complex(1)};
    b.data = {std::polar(1e-4F, 3.0F)};
    CHECK(uncertainty({a, b}).phase_std.data[0] < 0.05F);
    const auto alone = uncertainty({a});
    CHECK(alone.amplitude_mean.data[0] == 1);
    CHECK(alone.amplitude_std.data[0] == 0);
    CHECK(alone.phase_std.data[0] == 0);
  }
}

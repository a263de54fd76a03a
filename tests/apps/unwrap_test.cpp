#include "apps/phasing/unwrap.h"

#include <cmath>
#include <numbers>

#include "tests/apps/files.h"

using namespace fringe;

namespace {

constexpr Index n = 24;

template <class Phase>
Volume<Complex> object_of(const Phase& phase) {
  Volume<Complex> v({n, n, n});
  for (Index d = 0; d < n; ++d)
    for (Index h = 0; h < n; ++h)
      for (Index w = 0; w < n; ++w) v(d, h, w) = std::polar(1.0F, static_cast<float>(phase(d, h, w)));
  return v;
}

}  // namespace

TEST_SUITE("unwrap") {
  TEST_CASE("a phase of many turns comes back up to whole turns, inside a support with a hole") {
    const auto phase = [](Index d, Index h, Index w) {
      const double x = static_cast<double>(d) - 11.5, y = static_cast<double>(h) - 11.5, z = static_cast<double>(w) - 11.5;
      return 0.06 * x * x - 0.05 * y * y + 1.1 * z + 3;
    };
    Volume<std::uint8_t> support({n, n, n}, 0);
    for (Index d = 1; d < n - 1; ++d)
      for (Index h = 1; h < n - 1; ++h)
        for (Index w = 1; w < n - 1; ++w)
          support(d, h, w) = std::hypot(d - 12, h - 12, w - 12) < 10 && std::hypot(h - 12, w - 9) > 3;
    const auto u = unwrap(object_of(phase), support);
    CHECK(u.parts == 1);
    double offset = NAN, worst = 0, sum = 0, count = 0;
    for (Index d = 0; d < n; ++d)
      for (Index h = 0; h < n; ++h)
        for (Index w = 0; w < n; ++w) {
          const double value = static_cast<double>(u.phase(d, h, w));
          if (!support(d, h, w)) {
            CHECK(value == 0);
            continue;
          }
          if (std::isnan(offset)) offset = value - phase(d, h, w);
          worst = std::max(worst, std::abs(value - phase(d, h, w) - offset));
          sum += value, ++count;
        }
    CHECK(worst < 1e-4);
    CHECK(std::abs(std::remainder(offset, 2 * std::numbers::pi)) < 1e-4);
    CHECK(std::abs(sum / count) <= std::numbers::pi + 1e-6);
  }

  TEST_CASE("parts that touch nowhere are unwrapped each by itself; an empty support gives zeros") {
    Volume<std::uint8_t> support({n, n, n}, 0);
    for (Index w = 0; w < n; ++w)
      if (w < 8 || w > 12) support(5, 5, w) = 1;
    const auto u = unwrap(object_of([](Index, Index, Index w) { return 0.9 * static_cast<double>(w); }), support);
    CHECK(u.parts == 2);
    for (Index w = 1; w < n; ++w)
      if (support(5, 5, w) && support(5, 5, w - 1))
        CHECK(u.phase(5, 5, w) - u.phase(5, 5, w - 1) == doctest::Approx(0.9).epsilon(1e-4));
    const auto none = unwrap(object_of([](Index, Index, Index) { return 1.0; }), Volume<std::uint8_t>({n, n, n}, 0));
    CHECK(none.parts == 0);
  }

  TEST_CASE("round a dislocation one jump of a turn stays, everything else is continuous") {
    Volume<std::uint8_t> support({n, n, n}, 0);
    for (Index h = 2; h < n - 2; ++h)
      for (Index w = 2; w < n - 2; ++w)
        support(6, h, w) = std::hypot(static_cast<double>(h) - 11.5, static_cast<double>(w) - 11.5) > 2;
    const auto u = unwrap(object_of([](Index, Index h, Index w) {
                            return std::atan2(static_cast<double>(h) - 11.5, static_cast<double>(w) - 11.5);
                          }),
                          support);
    int jumps = 0, smooth = 0;
    for (Index h = 1; h < n; ++h)
      for (Index w = 1; w < n; ++w)
        for (const auto& [i, j] : {std::pair{h - 1, w}, std::pair{h, w - 1}})
          if (support(6, h, w) && support(6, i, j)) {
            const double step = static_cast<double>(std::abs(u.phase(6, h, w) - u.phase(6, i, j)));
            ++(step > std::numbers::pi ? jumps : smooth);
          }
    CHECK(jumps >= 5);  // from the core to the surface
    CHECK(jumps <= 16);
    CHECK(smooth > 500);
  }
}

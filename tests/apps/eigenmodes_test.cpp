#include "apps/phasing/eigenmodes.h"

#include <doctest/doctest.h>

#include <cmath>

#include "apps/phasing/random.h"
#include "kernels/error.h"

using namespace fringe;

namespace {

Volume<Complex> noise(std::uint64_t index, float size = 1) {
  Random random(7, Draw::test, index);
  Volume<Complex> v({3, 4, 5});
  for (auto& x : v.data) x = size * Complex(static_cast<float>(random.normal()), static_cast<float>(random.normal()));
  return v;
}
std::complex<double> inner(const Volume<Complex>& a, const Volume<Complex>& b) {
  std::complex<double> sum = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i)
    sum += std::conj(std::complex<double>(a.data[i])) * std::complex<double>(b.data[i]);
  return sum;
}

}  // namespace

TEST_SUITE("eigenmodes") {
  TEST_CASE("equal objects are one mode, which is that object, with its phase") {
    const auto object = noise(1);
    const auto e = eigenmodes({object, object, object}, 2);
    CHECK(e.weights.size() == 3);
    CHECK(e.weights[0] == doctest::Approx(1));
    CHECK(e.weights[1] < 1e-12);
    for (std::size_t i = 0; i < object.data.size(); ++i) CHECK(std::abs(e.modes[0].data[i] - object.data[i]) < 1e-5F);
  }

  TEST_CASE("by hand: x and -i x/2, and a third at right angles") {
    Volume<Complex> a({1, 1, 2}), b({1, 1, 2}), c({1, 1, 2});
    a.data = {Complex(2), Complex(0)};
    b.data = {Complex(0, -1), Complex(0)};
    c.data = {Complex(0), Complex(1)};
    const auto e = eigenmodes({a, b, c}, 3);
    CHECK(e.weights[0] == doctest::Approx(5.0 / 6));
    CHECK(e.weights[1] == doctest::Approx(1.0 / 6));
    CHECK(e.weights[2] < 1e-12);
    CHECK(std::abs(e.modes[0].data[0]) == doctest::Approx(std::sqrt(5.0 / 3)));
    CHECK(std::abs(e.modes[1].data[1]) == doctest::Approx(std::sqrt(1.0 / 3)));
  }

  TEST_CASE("modes are at right angles, their weights fall and sum to 1, and all of them make up the objects' energy") {
    std::vector<Volume<Complex>> objects;
    for (std::uint64_t k = 0; k < 12; ++k) {
      auto v = noise(0, 3);
      const auto w = noise(k + 1, k % 2 == 0 ? 0.5F : 2.0F);
      for (std::size_t i = 0; i < v.data.size(); ++i) v.data[i] += w.data[i];
      objects.push_back(std::move(v));
    }
    const auto e = eigenmodes(objects, 12);
    double energy = 0, sum = 0, of_modes = 0;
    for (const auto& o : objects) energy += inner(o, o).real();
    for (std::size_t i = 0; i < 12; ++i) {
      sum += e.weights[i];
      const double square = inner(e.modes[i], e.modes[i]).real();
      of_modes += square;
      CHECK(square * 12 == doctest::Approx(e.weights[i] * energy).epsilon(1e-4));
      if (i > 0) CHECK(e.weights[i] <= e.weights[i - 1]);
      for (std::size_t k = 0; k < i; ++k) CHECK(std::abs(inner(e.modes[i], e.modes[k])) < 1e-4 * square + 1e-4);
    }
    CHECK(sum == doctest::Approx(1));
    CHECK(of_modes * 12 == doctest::Approx(energy).epsilon(1e-5));
    CHECK(eigenmodes(objects, 3).modes.size() == 3);
    CHECK(eigenmodes(objects, 3).modes[2].data == e.modes[2].data);
  }

  TEST_CASE("bad input is refused") {
    CHECK_THROWS_AS(eigenmodes({}, 1), Error);
    CHECK_THROWS_WITH_AS(eigenmodes({noise(1), Volume<Complex>({2, 2, 2})}, 1),
                         doctest::Contains("object 2 has another extent"), Error);
    CHECK_THROWS_WITH_AS(eigenmodes({Volume<Complex>({2, 2, 2})}, 1), doctest::Contains("zero"), Error);
  }
}

#include "kernels/photon_noise.h"

#include <algorithm>
#include <numeric>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("photon_noise") {
  TEST_CASE("math: ln k! is lgamma's; means of 0 give no photon") {
    for (const double k : {0.0, 1.0, 2.0, 5.0, 8.0, 9.0, 10.0, 33.0, 1e3, 1e6})
      CHECK(photon_noise::log_factorial(k) == doctest::Approx(std::lgamma(k + 1)).epsilon(1e-13));
    philox::OpenUnits units(1, 2, 3);
    CHECK(photon_noise::poisson(units, 0) == 0);
  }

  TEST_CASE("counts have the mean and the variance of Poisson's distribution, below and above 10") {
    for (const double mean : {0.2, 3.0, 9.9, 10.1, 300.0}) {
      CAPTURE(mean);
      double sum = 0, squares = 0;
      constexpr int count = 20000;
      for (int i = 0; i < count; ++i) {
        philox::OpenUnits units(7, 3, static_cast<std::uint64_t>(i));
        const double k = photon_noise::poisson(units, mean);
        CHECK(k == std::floor(k));
        sum += k, squares += (k - mean) * (k - mean);
      }
      CHECK(std::abs(sum / count - mean) < 4 * std::sqrt(mean / count));
      CHECK(squares / count == doctest::Approx(mean).epsilon(0.06));
    }
  }

  TEST_CASE(
      "backends: every table counts the reference's photons, more samples than go with one launch; 0 photons change nothing; "
      "without noise it is the mean") {
    Stream stream(3), one(1);
    for (const Shape s : {Shape{1, 1, 1, 3, 1}, Shape{18, 3, 4, 5, 1}, Shape{2, 12, 13, 14, 1}}) {
      auto x = random_array<float>(s, 1);
      for (auto& v : x) v = v * v;
      std::vector<PhotonExposure> exposures;
      for (Index n = 0; n < s.n; ++n)
        exposures.push_back({n == 1 ? 0 : 40.0 * static_cast<double>(s.voxels()), static_cast<std::uint64_t>(n), n != 2});
      Array<double> ref(s);
      reference::photon_noise<double>(stream, 5, 3, exposures, cast<double>(x), ref);
      for (const auto* table : backends()) {
        Array<float> y(s), same(s), in_place = x;
        table->photon_noise(stream, 5, 3, exposures, x, y);
        table->photon_noise(one, 5, 3, exposures, x, same);
        table->photon_noise(stream, 5, 3, exposures, in_place, in_place);
        CHECK(relative_error(y, ref) < 1e-7);  // counts are equal, what is not counted is rounded
        CHECK(std::equal(y.begin(), y.end(), same.begin()));
        CHECK(std::equal(y.begin(), y.end(), in_place.begin()));
        if (s.n > 1) CHECK(std::equal(x.begin() + s.voxels(), x.begin() + 2 * s.voxels(), y.begin() + s.voxels()));
        if (s.n > 2) {
          const double sum = std::accumulate(y.begin() + 2 * s.voxels(), y.begin() + 3 * s.voxels(), 0.0);
          CHECK(sum == doctest::Approx(40.0 * static_cast<double>(s.voxels())));
        }
        y.check_canaries();
      }
    }
  }

  TEST_CASE("a list of another length is refused") {
    Stream stream;
    const auto x = random_array<float>({2, 1, 1, 3, 1}, 1);
    Array<float> y(x.shape());
    const std::vector<PhotonExposure> one(1);
    for (const auto* table : backends())
      CHECK_THROWS_WITH_AS(table->photon_noise(stream, 1, 1, one, x, y), "photon_noise: 1 exposures for 2 samples", Error);
  }
}

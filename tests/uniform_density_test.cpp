#include "kernels/uniform_density.h"

#include <algorithm>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("uniform_density") {
  TEST_CASE("math: 0 for a uniform object of any brightness, 4/81 for one voxel of 1 and one of 2, 0 for nothing") {
    Stream stream;
    const Shape s{3, 1, 1, 4, 1};
    Array<double> a(s), stats({3, 1, 1, 1, 3}), loss(sample_vector(3));
    const double values[] = {0, 7, 7, 0, 1, 2, 0, 0, 0, 0, 0, 0};
    std::copy(values, values + 12, a.begin());
    reference::uniform_density_forward<double>(stream, a, stats, loss);
    CHECK(loss[0] == doctest::Approx(0));
    // level = 9/5, sum a^2 = 5, wells: 1 * (4/5)^2 + 4 * (1/5)^2 = 20/25, P = 0.8 / (81/25 * 5)
    CHECK(loss[1] == doctest::Approx(0.8 / (81.0 / 5)));
    CHECK(loss[2] == 0);
  }

  TEST_CASE("backends: every table agrees with the reference") {
    for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{3, 3, 5, 7, 1}, Shape{1, 24, 24, 25, 1}}) {
      auto a = random_array<float>(s, 1);
      for (auto& v : a) v = std::max(v, 0.0F);
      a[0] = 1.5F;
      const auto dloss = random_array<float>(sample_vector(s.n), 2);
      const Shape stats_shape{s.n, 1, 1, 1, 3};
      Stream stream(2);
      Array<double> stats_ref(stats_shape), loss_ref(sample_vector(s.n)), da_ref(s);
      reference::uniform_density_forward<double>(stream, cast<double>(a), stats_ref, loss_ref);
      reference::uniform_density_backward<double>(stream, cast<double>(a), stats_ref, cast<double>(dloss), da_ref);
      for (const auto* table : backends()) {
        Array<float> stats(stats_shape), loss(sample_vector(s.n)), da(s);
        table->uniform_density_forward(stream, a, stats, loss);
        table->uniform_density_backward(stream, a, stats, dloss, da);
        for (Index n = 0; n < s.n; ++n) CHECK(loss[n] == doctest::Approx(loss_ref[n]).epsilon(1e-5));
        for (Index i = 0; i < s.size(); ++i) CHECK(std::abs(da[i] - da_ref[i]) < 1e-5);
        da.check_canaries(), stats.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative at a fixed level") {
    Stream stream;
    const Shape s{1, 2, 3, 4, 1};
    auto a = random_array<double>(s, 3);
    for (auto& v : a) v = std::abs(v);
    Array<double> stats({1, 1, 1, 1, 3}), loss(sample_vector(1)), dloss(sample_vector(1)), da(s);
    dloss[0] = 1.7;
    reference::uniform_density_forward<double>(stream, a, stats, loss);
    reference::uniform_density_backward<double>(stream, a, stats, dloss, da);
    const double level = stats[0];
    const auto f = [&] {
      double squares = 0, well = 0;
      for (const double v : a) squares += v * v, well += v * v * (v - level) * (v - level);
      return 1.7 * well / (level * level * squares);
    };
    CHECK(f() == doctest::Approx(1.7 * loss[0]));
    check_gradient(a, da, f);
  }
}

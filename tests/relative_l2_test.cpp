#include "kernels/relative_l2.h"

#include <algorithm>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {
/// Zeros and ones.
template <class T>
Array<T> random_mask(Shape s, unsigned seed) {
  auto w = random_array<T>(s, seed);
  for (auto& v : w) v = v > 0 ? T(1) : T(0);
  return w;
}
}  // namespace

TEST_SUITE("relative_l2") {
  TEST_CASE("math: (1, 2) against (3, 4) is 8/25, with its best scale 11/5 it is 4/125") {
    Stream stream;
    const Shape s{1, 1, 1, 2, 1};
    Array<double> p(s), t(s), stats({1, 1, 1, 1, 2}), loss(sample_vector(1));
    p[0] = 1, p[1] = 2, t[0] = 3, t[1] = 4;
    reference::relative_l2_forward<double>(stream, {}, p, t, {}, stats, loss);
    CHECK(loss[0] == doctest::Approx(8.0 / 25));
    reference::relative_l2_forward<double>(stream, {.root = true}, p, t, {}, stats, loss);
    CHECK(loss[0] == doctest::Approx(std::sqrt(8.0 / 25)));
    reference::relative_l2_forward<double>(stream, {.fit_scale = true}, p, t, {}, stats, loss);
    CHECK(stats[0] == doctest::Approx(11.0 / 5));
    CHECK(loss[0] == doctest::Approx(4.0 / 125));
  }

  TEST_CASE("a weight of zero removes a voxel") {
    Stream stream;
    const Shape s{1, 1, 1, 3, 1};
    Array<float> p(s), t(s), w(s), stats({1, 1, 1, 1, 2}), loss(sample_vector(1));
    p[0] = 1, p[1] = 2, p[2] = 1e6F, t[0] = 3, t[1] = 4, t[2] = 5, w[0] = w[1] = 1, w[2] = 0;
    cpu::relative_l2_forward(stream, {}, p, t, w, stats, loss);
    CHECK(loss[0] == doctest::Approx(8.0 / 25));
  }

  TEST_CASE("backends: every table agrees with the reference, whatever the options, weights and batch") {
    for (const RelativeL2Params params : {RelativeL2Params{}, {.fit_scale = true}, {.root = true}, {true, true}})
      for (const Shape s : {Shape{1, 1, 1, 2, 1}, Shape{2, 3, 5, 7, 2}, Shape{1, 24, 24, 25, 1}})
        for (const int weights : {0, 1, 2}) {
          const auto p = random_array<float>(s, 1), t = random_array<float>(s, 2),
                     dloss = random_array<float>(sample_vector(s.n), 3);
          Shape ws = s;
          if (weights == 1) ws.n = 1;
          auto w = random_mask<float>(ws, 4);
          w[0] = 1;
          for (Index n = 0; n < ws.n; ++n) w[n * ws.per_sample()] = 1;
          const auto pd = cast<double>(p), td = cast<double>(t), wd = cast<double>(w), dd = cast<double>(dloss);
          const Shape stats_shape{s.n, 1, 1, 1, 2};
          Stream stream(2);
          Array<double> stats_ref(stats_shape), loss_ref(sample_vector(s.n)), dp_ref(s);
          const auto wv = weights ? wd.view() : ConstView<double>{};
          reference::relative_l2_forward<double>(stream, params, pd, td, wv, stats_ref, loss_ref);
          reference::relative_l2_backward<double>(stream, params, pd, td, wv, stats_ref, loss_ref, dd, dp_ref);
          for (const auto* table : backends()) {
            Array<float> stats(stats_shape), loss(sample_vector(s.n)), dp(s);
            const auto wf = weights ? w.view() : ConstView<float>{};
            table->relative_l2_forward(stream, params, p, t, wf, stats, loss);
            table->relative_l2_backward(stream, params, p, t, wf, stats, loss, dloss, dp);
            CHECK(relative_error(loss, loss_ref) < 1e-5);
            CHECK(relative_error(stats, stats_ref) < 1e-5);
            CHECK(relative_error(dp, dp_ref) < 1e-5);
            dp.check_canaries(), loss.check_canaries();
          }
        }
  }

  TEST_CASE("gradient: backward is the derivative of forward, the scale's dependence on p included") {
    Stream stream;
    for (const RelativeL2Params params : {RelativeL2Params{}, {.fit_scale = true}, {true, true}}) {
      const Shape s{2, 2, 3, 2, 1};
      auto p = random_array<double>(s, 5);
      const auto t = random_array<double>(s, 6), dloss = random_array<double>(sample_vector(2), 7);
      const auto w = random_mask<double>(s, 8);
      Array<double> stats({2, 1, 1, 1, 2}), loss(sample_vector(2)), dp(s);
      const auto f = [&] {
        reference::relative_l2_forward<double>(stream, params, p, t, w, stats, loss);
        return dot(loss, dloss);
      };
      f();
      reference::relative_l2_backward<double>(stream, params, p, t, w, stats, loss, dloss, dp);
      check_gradient(p, dp, f);
    }
  }

  TEST_CASE("one thread and three give the same bits; a target of zeros is refused") {
    const Shape s{1, 32, 32, 33, 1};
    const auto p = random_array<float>(s, 9), t = random_array<float>(s, 10);
    Stream one(1), three(3);
    Array<float> stats({1, 1, 1, 1, 2}), a(sample_vector(1)), b(sample_vector(1)), zero(s);
    cpu::relative_l2_forward(one, {.fit_scale = true}, p, t, {}, stats, a);
    cpu::relative_l2_forward(three, {.fit_scale = true}, p, t, {}, stats, b);
    CHECK(a[0] == b[0]);
    std::fill(zero.begin(), zero.end(), 0.0F);
    CHECK_THROWS_WITH_AS(cpu::relative_l2_forward(one, {}, p, zero, {}, stats, a),
                         "relative_l2: target of sample 0 is zero everywhere", Error);
  }
}

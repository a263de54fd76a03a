#include "kernels/poisson_loss.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("poisson_loss") {
  TEST_CASE("math: counts (4, 0) against 1 and 1 expected: 1 - 4 + 4 log 4 and 1, their mean") {
    Stream stream;
    const Shape s{1, 1, 1, 2, 1};
    Array<double> p(s), t(s), stats({1, 1, 1, 1, 2}), loss(sample_vector(1));
    p[0] = p[1] = 1, t[0] = 2, t[1] = 0;
    reference::poisson_loss_forward<double>(stream, {.fit_scale = false, .floor = 0}, p, t, {}, stats, loss);
    CHECK(loss[0] == doctest::Approx((1 - 4 + 4 * std::log(4.0) + 1) / 2));
    reference::poisson_loss_forward<double>(stream, {.floor = 0}, p, t, {}, stats, loss);
    CHECK(stats[0] == doctest::Approx(2));
    for (Index i = 0; i < 2; ++i) t[i] = 3 * p[i];
    reference::poisson_loss_forward<double>(stream, {.floor = 0}, p, t, {}, stats, loss);
    CHECK(loss[0] == doctest::Approx(0));
  }

  TEST_CASE("backends: every table agrees with the reference, whatever the options, weights and batch") {
    for (const bool fit_scale : {true, false})
      for (const Shape s : {Shape{1, 1, 1, 2, 1}, Shape{2, 3, 5, 7, 2}, Shape{1, 24, 24, 25, 1}})
        for (const int weights : {0, 1, 2}) {
          auto p = random_array<float>(s, 1), t = random_array<float>(s, 2, 3);
          for (auto& v : p) v = std::abs(v);
          for (auto& v : t) v = v < 0 ? 0.0F : std::round(v);
          Shape ws = s;
          if (weights == 1) ws.n = 1;
          auto w = random_array<float>(ws, 4);
          for (Index i = 0; i < ws.size(); ++i) w[i] = i % ws.per_sample() == 0 || w[i] > 0 ? 1.0F : 0.0F;
          const auto dloss = random_array<float>(sample_vector(s.n), 3);
          const PoissonLossParams params{fit_scale, 0.05};
          const auto pd = cast<double>(p), td = cast<double>(t), wd = cast<double>(w), dd = cast<double>(dloss);
          Stream stream(2);
          Array<double> stats_ref({s.n, 1, 1, 1, 2}), loss_ref(sample_vector(s.n)), dp_ref(s);
          const auto wv = weights ? wd.view() : ConstView<double>{};
          reference::poisson_loss_forward<double>(stream, params, pd, td, wv, stats_ref, loss_ref);
          reference::poisson_loss_backward<double>(stream, params, pd, td, wv, stats_ref, dd, dp_ref);
          for (const auto* table : backends()) {
            Array<float> stats({s.n, 1, 1, 1, 2}), loss(sample_vector(s.n)), dp(s);
            const auto wf = weights ? w.view() : ConstView<float>{};
            table->poisson_loss_forward(stream, params, p, t, wf, stats, loss);
            table->poisson_loss_backward(stream, params, p, t, wf, stats, dloss, dp);
            CHECK(relative_error(loss, loss_ref) < 1e-5);
            CHECK(relative_error(dp, dp_ref) < 1e-5);
            dp.check_canaries(), loss.check_canaries();
          }
        }
  }

  TEST_CASE("gradient: backward is the derivative of forward; with the fitted scale, too, when there is no floor") {
    Stream stream;
    for (const PoissonLossParams params : {PoissonLossParams{false, 0.1}, PoissonLossParams{true, 0.0}}) {
      const Shape s{2, 2, 3, 2, 1};
      auto p = random_array<double>(s, 7);
      for (auto& v : p) v = 0.5 + std::abs(v);
      const auto t = random_array<double>(s, 8), dloss = random_array<double>(sample_vector(2), 9);
      Array<double> stats({2, 1, 1, 1, 2}), loss(sample_vector(2)), dp(s);
      const auto f = [&] {
        reference::poisson_loss_forward<double>(stream, params, p, t, {}, stats, loss);
        return dot(loss, dloss);
      };
      f();
      reference::poisson_loss_backward<double>(stream, params, p, t, {}, stats, dloss, dp);
      check_gradient(p, dp, f);
    }
  }
}

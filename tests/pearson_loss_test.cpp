#include "kernels/pearson_loss.h"

#include <algorithm>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("pearson_loss") {
  TEST_CASE("math: 0 for a scaled and shifted target, 2 for its negative, 1/2 for a hand-made case") {
    Stream stream;
    const Shape s{1, 1, 1, 3, 1};
    Array<double> p(s), t(s), stats({1, 1, 1, 1, 4}), loss(sample_vector(1));
    const auto run = [&](std::initializer_list<double> values, PearsonLossParams params = {}) {
      std::copy(values.begin(), values.end(), p.begin());
      reference::pearson_loss_forward<double>(stream, params, p, t, {}, stats, loss);
      return loss[0];
    };
    t[0] = 1, t[1] = 2, t[2] = 3;
    CHECK(run({5, 7, 9}) == doctest::Approx(0));
    CHECK(run({-1, -2, -3}) == doctest::Approx(2));
    CHECK(run({1, 3, 2}) == doctest::Approx(0.5));
    CHECK(run({1, 3, 2}, {.centred = false}) == doctest::Approx(1.0 - 13.0 / 14));
    CHECK(run({4, 4, 4}) == 1);
  }

  TEST_CASE("backends: every table agrees with the reference, whatever the options, weights and batch") {
    for (const bool centred : {true, false})
      for (const Shape s : {Shape{1, 1, 1, 3, 1}, Shape{2, 3, 5, 7, 2}, Shape{1, 24, 24, 25, 1}})
        for (const int weights : {0, 1, 2}) {
          auto p = random_array<float>(s, 1);
          const auto t = random_array<float>(s, 2), dloss = random_array<float>(sample_vector(s.n), 3);
          for (Index i = 0; i < s.size(); ++i) p[i] = t[i] + 0.05F * p[i];  // a good prediction: 1 - r of about 1e-3
          Shape ws = s;
          if (weights == 1) ws.n = 1;
          auto w = random_array<float>(ws, 4);
          for (auto& v : w) v = s.size() < 10 || v > 0 ? 1.0F : 0.0F;
          const auto pd = cast<double>(p), td = cast<double>(t), wd = cast<double>(w), dd = cast<double>(dloss);
          const Shape stats_shape{s.n, 1, 1, 1, 4};
          Stream stream(2);
          Array<double> stats_ref(stats_shape), loss_ref(sample_vector(s.n)), dp_ref(s);
          const auto wv = weights ? wd.view() : ConstView<double>{};
          reference::pearson_loss_forward<double>(stream, {centred}, pd, td, wv, stats_ref, loss_ref);
          reference::pearson_loss_backward<double>(stream, {centred}, pd, td, wv, stats_ref, loss_ref, dd, dp_ref);
          for (const auto* table : backends()) {
            Array<float> stats(stats_shape), loss(sample_vector(s.n)), dp(s);
            const auto wf = weights ? w.view() : ConstView<float>{};
            table->pearson_loss_forward(stream, {centred}, p, t, wf, stats, loss);
            table->pearson_loss_backward(stream, {centred}, p, t, wf, stats, loss, dloss, dp);
            CHECK(relative_error(loss, loss_ref) < 1e-4);
            CHECK(relative_error(dp, dp_ref) < 1e-4);
            dp.check_canaries(), loss.check_canaries();
          }
        }
  }

  TEST_CASE("a nearly perfect prediction keeps its digits: 1 - r of 1e-9 in float") {
    const Shape s{1, 16, 16, 16, 1};
    const auto noise = random_array<float>(s, 5), t = random_array<float>(s, 6);
    Array<float> p(s), stats({1, 1, 1, 1, 4}), loss(sample_vector(1));
    for (Index i = 0; i < s.size(); ++i) p[i] = t[i] + 4.5e-5F * noise[i];
    Array<double> stats_ref({1, 1, 1, 1, 4}), loss_ref(sample_vector(1));
    Stream stream;
    reference::pearson_loss_forward<double>(stream, {}, cast<double>(p), cast<double>(t), {}, stats_ref, loss_ref);
    CHECK(loss_ref[0] == doctest::Approx(1e-9).epsilon(0.1));
    for (const auto* table : backends()) {
      table->pearson_loss_forward(stream, {}, p, t, {}, stats, loss);
      CHECK(relative_error(loss, loss_ref) < 1e-2);
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward") {
    Stream stream;
    for (const bool centred : {true, false}) {
      const Shape s{2, 2, 3, 2, 1};
      auto p = random_array<double>(s, 7);
      const auto t = random_array<double>(s, 8), dloss = random_array<double>(sample_vector(2), 9);
      auto w = random_array<double>(s, 10);
      for (auto& v : w) v = v > -1 ? 1 : 0;
      Array<double> stats({2, 1, 1, 1, 4}), loss(sample_vector(2)), dp(s);
      const auto f = [&] {
        reference::pearson_loss_forward<double>(stream, {centred}, p, t, w, stats, loss);
        return dot(loss, dloss);
      };
      f();
      reference::pearson_loss_backward<double>(stream, {centred}, p, t, w, stats, loss, dloss, dp);
      check_gradient(p, dp, f);
    }
  }

  TEST_CASE("a constant target is refused") {
    Stream stream;
    Array<float> p({1, 1, 1, 3, 1}), t({1, 1, 1, 3, 1}), stats({1, 1, 1, 1, 4}), loss(sample_vector(1));
    for (Index i = 0; i < 3; ++i) p[i] = static_cast<float>(i), t[i] = 1;
    CHECK_THROWS_WITH_AS(cpu::pearson_loss_forward(stream, {}, p, t, {}, stats, loss),
                         "pearson_loss: target of sample 0 is constant", Error);
  }
}

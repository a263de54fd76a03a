#include "kernels/batch_norm.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {
const Shape shapes[] = {{1, 1, 1, 2, 1}, {2, 3, 5, 7, 3}, {1, 4, 4, 9, 8}, {1, 16, 16, 16, 16}, {3, 5, 4, 3, 33}, {1, 2, 3, 4, 128}};
}

TEST_SUITE("batch_norm") {
  TEST_CASE("math: the output has mean beta and deviation gamma; running statistics move by the momentum") {
    Stream stream;
    Array<double> x({1, 1, 1, 2, 1}), y(x.shape()), g(channel_vector(1)), b(g.shape()), rm(g.shape()), rv(g.shape()), m(g.shape()), r(g.shape());
    x[0] = 1, x[1] = 3, g[0] = 2, b[0] = 5, rm[0] = 0, rv[0] = 1;
    reference::batch_norm_forward<double>(stream, {.epsilon = 0, .momentum = 0.1}, x, g, b, rm, rv, m, r, y);
    CHECK(y[0] == doctest::Approx(3));
    CHECK(y[1] == doctest::Approx(7));
    CHECK(rm[0] == doctest::Approx(0.2));
    CHECK(rv[0] == doctest::Approx(0.9 + 0.1 * 2));  // the unbiased variance of {1, 3} is 2
  }

  TEST_CASE("backends: every table agrees with the reference in double") {
    for (const auto& s : shapes) {
      const Shape v = channel_vector(s.c);
      auto x = random_array<float>(s, 1, 0.5);
      for (Index i = 0; i < s.size(); ++i) x[i] += 3;  // a mean far from zero
      const auto dy = random_array<float>(s, 2), gamma = random_array<float>(v, 3), beta = random_array<float>(v, 4);
      Stream stream(2);
      auto rm_ref = random_array<double>(v, 5), rv_ref = random_array<double>(v, 6);
      for (auto& e : rv_ref) e = e * e + 0.1;
      const auto rm0 = cast<float>(rm_ref), rv0 = cast<float>(rv_ref);
      const auto xd = cast<double>(x), dyd = cast<double>(dy), gd = cast<double>(gamma), bd = cast<double>(beta);
      Array<double> m_ref(v), r_ref(v), y_ref(s), e_ref(s), dx_ref(s), dg_ref(v), db_ref(v);
      reference::batch_norm_forward_eval<double>(stream, {}, xd, gd, bd, rm_ref, rv_ref, e_ref);
      reference::batch_norm_forward<double>(stream, {}, xd, gd, bd, rm_ref, rv_ref, m_ref, r_ref, y_ref);
      reference::batch_norm_backward<double>(stream, xd, gd, m_ref, r_ref, dyd, dx_ref, dg_ref, db_ref);
      for (const auto* table : backends()) {
        CAPTURE(table->backend);
        CAPTURE(s.str());
        Array<float> m(v), r(v), y(s), e(s), dx(s), dg(v), db(v), rm = rm0, rv = rv0;
        table->batch_norm_forward_eval(stream, {}, x, gamma, beta, rm, rv, e);
        table->batch_norm_forward(stream, {}, x, gamma, beta, rm, rv, m, r, y);
        table->batch_norm_backward(stream, x, gamma, m, r, dy, dx, dg, db);
        CHECK(relative_error(m, m_ref) < 1e-6);
        CHECK(relative_error(r, r_ref) < 1e-5);
        CHECK(relative_error(y, y_ref) < 1e-5);
        CHECK(relative_error(e, e_ref) < 1e-5);
        CHECK(relative_error(rm, rm_ref) < 1e-6);
        CHECK(relative_error(rv, rv_ref) < 1e-5);
        if (s.rows() > 2) CHECK(relative_error(dx, dx_ref) < 1e-4);  // two values: dx is 0 up to rounding
        CHECK(relative_error(dg, dg_ref) < 1e-5);
        CHECK(relative_error(db, db_ref) < 1e-5);
        y.check_canaries(), dx.check_canaries(), dg.check_canaries(), m.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward, through the statistics") {
    Stream stream;
    const Shape s{2, 2, 3, 2, 3}, v = channel_vector(3);
    auto x = random_array<double>(s, 1), gamma = random_array<double>(v, 2), beta = random_array<double>(v, 3);
    const auto dy = random_array<double>(s, 4);
    Array<double> m(v), r(v), y(s), dx(s), dg(v), db(v), rm(v), rv(v);
    std::fill(rm.begin(), rm.end(), 0.0);
    std::fill(rv.begin(), rv.end(), 1.0);
    const auto f = [&] {
      reference::batch_norm_forward<double>(stream, {}, x, gamma, beta, rm, rv, m, r, y);
      return dot(y, dy);
    };
    f();
    reference::batch_norm_backward<double>(stream, x, gamma, m, r, dy, dx, dg, db);
    check_gradient(x, dx, f);
    check_gradient(gamma, dg, f);
    check_gradient(beta, db, f);
  }

  TEST_CASE("errors: a single value has no statistics") {
    Stream stream;
    Array<float> x({1, 1, 1, 1, 4}), y(x.shape()), v(channel_vector(4));
    for (const auto* table : backends())
      CHECK_THROWS_AS(table->batch_norm_forward(stream, {}, x, v, v, v, v, v, v, y), Error);
  }
}

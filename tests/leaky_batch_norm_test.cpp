#include "kernels/leaky_batch_norm.h"

#include "kernels/leaky_relu.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {
const Shape shapes[] = {{1, 1, 1, 2, 1}, {2, 3, 5, 7, 3}, {1, 4, 4, 9, 8}, {1, 16, 16, 16, 16}, {3, 5, 4, 3, 33}, {1, 2, 3, 4, 128}};

struct Outputs {
  Array<float> a, y, mean, rstd, running_mean, running_var, eval, dx, dgamma, dbeta;
  explicit Outputs(Shape s, Shape v, const Array<float>& x)
      : a(x), y(s), mean(v), rstd(v), running_mean(random_array<float>(v, 5)), running_var(random_array<float>(v, 6)), eval(s), dx(s),
        dgamma(v), dbeta(v) {
    for (auto& e : running_var) e = e * e + 0.1F;
  }
  bool operator==(const Outputs& o) const {
    const auto same = [](const Array<float>& p, const Array<float>& q) { return std::equal(p.begin(), p.end(), q.begin()); };
    return same(a, o.a) && same(y, o.y) && same(mean, o.mean) && same(rstd, o.rstd) && same(running_mean, o.running_mean) &&
           same(running_var, o.running_var) && same(eval, o.eval) && same(dx, o.dx) && same(dgamma, o.dgamma) && same(dbeta, o.dbeta);
  }
};
}  // namespace

TEST_SUITE("leaky_batch_norm") {
  TEST_CASE("backends: every table computes its own composition of leaky_relu and batch_norm, to the bit") {
    constexpr float slope = 0.1F;
    for (const auto& s : shapes) {
      const Shape v = channel_vector(s.c);
      const auto x = random_array<float>(s, 1), dy = random_array<float>(s, 2), gamma = random_array<float>(v, 3), beta = random_array<float>(v, 4);
      std::vector<const KernelTable<float>*> tables = backends();
      tables.push_back(&reference::table<float>());
      for (const auto* t : tables) {
        CAPTURE(t->backend);
        CAPTURE(s.str());
        Stream stream(2);
        Outputs fused(s, v, x), plain(s, v, x);
        t->leaky_batch_norm_forward_eval(stream, {}, slope, x, gamma, beta, fused.running_mean, fused.running_var, fused.eval);
        t->leaky_batch_norm_forward(stream, {}, slope, fused.a, gamma, beta, fused.running_mean, fused.running_var, fused.mean, fused.rstd, fused.y);
        t->leaky_batch_norm_backward(stream, slope, fused.a, gamma, fused.mean, fused.rstd, dy, fused.dx, fused.dgamma, fused.dbeta);
        t->leaky_relu_forward(stream, slope, x, plain.a);
        t->batch_norm_forward_eval(stream, {}, plain.a, gamma, beta, plain.running_mean, plain.running_var, plain.eval);
        t->batch_norm_forward(stream, {}, plain.a, gamma, beta, plain.running_mean, plain.running_var, plain.mean, plain.rstd, plain.y);
        t->batch_norm_backward(stream, plain.a, gamma, plain.mean, plain.rstd, dy, plain.dx, plain.dgamma, plain.dbeta);
        t->leaky_relu_backward(stream, slope, plain.a, plain.dx, plain.dx);
        CHECK(fused == plain);
        auto in_place = cast<float>(dy);
        Array<float> dgamma(v), dbeta(v);
        t->leaky_batch_norm_backward(stream, slope, fused.a, gamma, fused.mean, fused.rstd, in_place, in_place, dgamma, dbeta);
        CHECK(std::equal(in_place.begin(), in_place.end(), plain.dx.begin()));
        fused.y.check_canaries(), fused.a.check_canaries(), fused.dx.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward") {
    Stream stream;
    const Shape s{2, 2, 3, 2, 3}, v = channel_vector(3);
    auto x = random_array<double>(s, 1), gamma = random_array<double>(v, 2), beta = random_array<double>(v, 3);
    const auto dy = random_array<double>(s, 4);
    Array<double> a(s), m(v), r(v), y(s), dx(s), dg(v), db(v), rm(v), rv(v);
    std::fill(rm.begin(), rm.end(), 0.0);
    std::fill(rv.begin(), rv.end(), 1.0);
    const auto f = [&] {
      a = x;
      reference::leaky_batch_norm_forward<double>(stream, {}, 0.1, a, gamma, beta, rm, rv, m, r, y);
      return dot(y, dy);
    };
    f();
    reference::leaky_batch_norm_backward<double>(stream, 0.1, a, gamma, m, r, dy, dx, dg, db);
    check_gradient(x, dx, f);
    check_gradient(gamma, dg, f);
    check_gradient(beta, db, f);
  }
}

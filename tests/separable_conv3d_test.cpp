#include "kernels/separable_conv3d.h"

#include <utility>

#include "kernels/conv3d.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
struct Case {
  Array<T> x, wd, bd, wh, bh, ww, bw, dy;
  Case(Shape s, Index mid, Index out)
      : x(random_array<T>(s, 1)), wd(random_array<T>({3, 1, 1, s.c, mid}, 2, 0.3)), bd(random_array<T>(channel_vector(mid), 3)),
        wh(random_array<T>({1, 3, 1, mid, mid}, 4, 0.3)), bh(random_array<T>(channel_vector(mid), 5)),
        ww(random_array<T>({1, 1, 3, mid, out}, 6, 0.3)), bw(random_array<T>(channel_vector(out), 7)),
        dy(random_array<T>(s.with_channels(out), 8)) {}
  SeparableWeights<ConstView<T>> weights() const { return {std::as_const(wd), std::as_const(bd), std::as_const(wh), std::as_const(bh), std::as_const(ww), std::as_const(bw)}; }
};

template <class T>
struct Result {
  Array<T> u, v, y, dv, du, dx, gwd, gbd, gwh, gbh, gww, gbw;
  explicit Result(const Case<T>& c)
      : u(c.x.shape().with_channels(c.bd.shape().c)), v(u.shape()), y(c.dy.shape()), dv(u.shape()), du(u.shape()), dx(c.x.shape()),
        gwd(c.wd.shape()), gbd(c.bd.shape()), gwh(c.wh.shape()), gbh(c.bh.shape()), gww(c.ww.shape()), gbw(c.bw.shape()) {}
  SeparableWeights<View<T>> gradients() { return {gwd, gbd, gwh, gbh, gww, gbw}; }
  std::vector<const Array<T>*> all() const { return {&y, &dx, &gwd, &gbd, &gwh, &gbh, &gww, &gbw}; }
};

}  // namespace

TEST_SUITE("separable_conv3d") {
  TEST_CASE("backends: every table equals the composition of three convolutions in double") {
    for (const auto& [s, mid, out] : {std::tuple{Shape{1, 3, 4, 5, 1}, Index{3}, Index{2}}, {Shape{2, 5, 4, 7, 8}, 8, 8},
                                      {Shape{1, 6, 7, 8, 16}, 16, 16}}) {
      if (quick_tests() && mid > 3) continue;
      const Case<float> c(s, mid, out);
      const Case<double> d(s, mid, out);
      Stream stream(2);
      Result<double> exact(d);
      reference::separable_conv3d_forward<double>(stream, d.x, d.weights(), exact.u, exact.v, exact.y);
      reference::separable_conv3d_backward<double>(stream, d.x, exact.u, exact.v, d.weights(), d.dy, exact.dv, exact.du, exact.dx,
                                                   exact.gradients());
      for (const auto* table : backends()) {
        Result<float> r(c);
        table->separable_conv3d_forward(stream, c.x, c.weights(), r.u, r.v, r.y);
        table->separable_conv3d_backward(stream, c.x, r.u, r.v, c.weights(), c.dy, r.dv, r.du, r.dx, r.gradients());
        for (std::size_t i = 0; i < r.all().size(); ++i) {
          CHECK(relative_error(*r.all()[i], *exact.all()[i]) < 1e-5);
          r.all()[i]->check_canaries();
        }
      }
    }
  }

  TEST_CASE("gradient: of input, weights and biases against central differences") {
    Case<double> c({1, 3, 2, 4, 2}, 3, 2);
    Result<double> r(c);
    Stream stream;
    const auto f = [&] {
      reference::separable_conv3d_forward<double>(stream, c.x, c.weights(), r.u, r.v, r.y);
      return dot(r.y, c.dy);
    };
    f();
    reference::separable_conv3d_backward<double>(stream, c.x, r.u, r.v, c.weights(), c.dy, r.dv, r.du, r.dx, r.gradients());
    check_gradient(c.x, r.dx, f);
    check_gradient(c.wd, r.gwd, f);
    check_gradient(c.bd, r.gbd, f);
    check_gradient(c.wh, r.gwh, f);
    check_gradient(c.bh, r.gbh, f);
    check_gradient(c.ww, r.gww, f);
    check_gradient(c.bw, r.gbw, f);
  }

  TEST_CASE("a kernel along the wrong axis is refused") {
    const Case<float> c({1, 3, 2, 4, 2}, 3, 2);
    Result<float> r(c);
    auto weights = c.weights();
    std::swap(weights.wd, weights.wh);
    Stream stream;
    CHECK_THROWS_WITH_AS(cpu::separable_conv3d_forward(stream, c.x, weights, r.u, r.v, r.y),
                         doctest::Contains("the first kernel must be K x 1 x 1"), Error);
  }
}

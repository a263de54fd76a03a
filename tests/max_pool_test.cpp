#include "kernels/max_pool.h"

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

TEST_SUITE("max_pool") {
  TEST_CASE("math: the largest of eight is kept and alone receives the gradient") {
    Stream stream;
    Array<double> x({1, 2, 2, 2, 1}), y({1, 1, 1, 1, 1}), dy(y.shape()), dx(x.shape());
    Array<std::uint8_t> which(y.shape());
    for (Index i = 0; i < 8; ++i) x[i] = i == 5 ? 9.0 : 9.0 - double(i);
    dy[0] = 2;
    reference::max_pool_forward<double>(stream, x, y, which);
    CHECK(y[0] == 9);
    CHECK(int(which[0]) == 0);  // voxels 0 and 5 are equal: the first wins
    x[0] = 1;
    reference::max_pool_forward<double>(stream, x, y, which);
    CHECK(int(which[0]) == 5);
    reference::max_pool_backward<double>(stream, which, dy, dx);
    for (Index i = 0; i < 8; ++i) CHECK(dx[i] == (i == 5 ? 2 : 0));
  }

  TEST_CASE("backends: every table agrees with the reference exactly") {
    for (const Shape s : {Shape{1, 2, 2, 2, 1}, Shape{2, 4, 6, 10, 3}, Shape{1, 8, 4, 6, 16}, Shape{1, 4, 4, 4, 33}}) {
      const Shape o = max_pool::output_shape(s);
      const auto x = random_array<float>(s, 1), dy = random_array<float>(o, 2);
      Stream stream(2);
      Array<float> y_ref(o), dx_ref(s);
      Array<std::uint8_t> w_ref(o);
      reference::max_pool_forward<float>(stream, x, y_ref, w_ref);
      reference::max_pool_backward<float>(stream, w_ref, dy, dx_ref);
      for (const auto* table : backends()) {
        Array<float> y(o), dx(s);
        Array<std::uint8_t> w(o);
        table->max_pool_forward(stream, x, y, w);
        table->max_pool_backward(stream, w, dy, dx);
        CHECK(relative_error(y, y_ref) == 0);
        CHECK(relative_error(w, w_ref) == 0);
        CHECK(relative_error(dx, dx_ref) == 0);
        y.check_canaries(), w.check_canaries(), dx.check_canaries();
      }
    }
  }

  TEST_CASE("errors: odd sizes are refused") { CHECK_THROWS_AS(max_pool::output_shape({1, 3, 4, 4, 1}), Error); }
}

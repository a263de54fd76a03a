#include "kernels/conv3d.h"

#include "tests/conv3d_cases.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// In quick tests, of every kind of kernel one case: few channels, a line, one input channel, one output channel, splits.
bool tried(const Conv3dCase& c) {
  if (!quick_tests()) return true;
  for (const std::size_t i : {2, 5, 9, 12, 23})
    if (c.x == conv3d_cases[i].x && c.w == conv3d_cases[i].w) return true;
  return false;
}

bool on_host() { return backends()[0]->backend == std::string("cpu"); }

}  // namespace

TEST_SUITE("conv3d") {
  TEST_CASE("math: a 1x1x3 kernel slides along W and sees zeros outside") {
    Stream stream;
    Array<double> x({1, 1, 1, 4, 1}), w({1, 1, 3, 1, 1}), b(channel_vector(1)), y(x.shape());
    for (Index i = 0; i < 4; ++i) x[i] = double(i + 1);
    w[0] = 1, w[1] = 10, w[2] = 100, b[0] = 0.5;
    reference::conv3d_forward<double>(stream, x, w, b, y);
    CHECK(y[0] == doctest::Approx(210.5));
    CHECK(y[1] == doctest::Approx(321.5));
    CHECK(y[3] == doctest::Approx(43.5));
  }

  TEST_CASE("backends: every table agrees with the reference, forward and both gradients") {
    for (const auto& c : conv3d_cases)
      for (const int threads : {1, 2, 3}) {
        if (!tried(c) || (threads > 1 && !on_host())) continue;
        const Shape ys = conv3d::output_shape(c.x, c.w);
        const auto x = random_array<float>(c.x, 1), w = random_array<float>(c.w, 2), dy = random_array<float>(ys, 3);
        const auto b = random_array<float>(channel_vector(ys.c), 4);
        const auto xd = cast<double>(x), wd = cast<double>(w), dyd = cast<double>(dy), bd = cast<double>(b);
        Stream stream(threads);
        Array<double> y_ref(ys), dx_ref(c.x), dw_ref(c.w), db_ref(b.shape());
        reference::conv3d_forward<double>(stream, xd, wd, bd, y_ref);
        reference::conv3d_backward_data<double>(stream, dyd, wd, dx_ref);
        reference::conv3d_backward_weights<double>(stream, xd, dyd, dw_ref, db_ref);
        for (const auto* table : backends()) {
          CAPTURE(table->backend);
          CAPTURE(c.x.str());
          CAPTURE(c.w.str());
          Array<float> y(ys), dx(c.x), dw(c.w), db(b.shape()), y0(ys), dw0(c.w);
          table->conv3d_forward(stream, x, w, b, y);
          table->conv3d_forward(stream, x, w, {}, y0);
          table->conv3d_backward_data(stream, dy, w, dx);
          table->conv3d_backward_weights(stream, x, dy, dw, db);
          table->conv3d_backward_weights(stream, x, dy, dw0, {});
          // float against double: rounding of sums of up to a few thousand terms
          CHECK(relative_error(y, y_ref) < 2e-6);
          CHECK(relative_error(dx, dx_ref) < 2e-6);
          CHECK(relative_error(dw, dw_ref) < 3e-6);
          CHECK(relative_error(db, db_ref) < 3e-6);
          CHECK(relative_error(dw0, dw) == 0);
          for (Index i = 0; i < ys.size(); ++i) y0[i] += b[i % ys.c];
          CHECK(relative_error(y0, y_ref) < 2e-6);
          y.check_canaries(), dx.check_canaries(), dw.check_canaries(), db.check_canaries();
        }
      }
  }

  TEST_CASE("precision: every format of the factors gives what its rounding allows, forward and both gradients") {
    constexpr struct {
      Precision precision;
      double tolerance;  // about twice the rounding of a factor, of sums that are rarely much smaller than their terms
    } formats[] = {{Precision::float32, 2e-6}, {Precision::tf32x3, 2e-6}, {Precision::tf32, 1e-3}, {Precision::bfloat16, 8e-3}};
    for (const Conv3dCase& c : {conv3d_cases[2], conv3d_cases[14], conv3d_cases[20], conv3d_cases[13]}) {
      if (!tried(c)) continue;
      const Shape ys = conv3d::output_shape(c.x, c.w);
      const auto x = random_array<float>(c.x, 1), w = random_array<float>(c.w, 2), dy = random_array<float>(ys, 3);
      const auto xd = cast<double>(x), wd = cast<double>(w), dyd = cast<double>(dy);
      Stream stream;
      Array<double> y_ref(ys), dx_ref(c.x), dw_ref(c.w);
      reference::conv3d_forward<double>(stream, xd, wd, {}, y_ref);
      reference::conv3d_backward_data<double>(stream, dyd, wd, dx_ref);
      reference::conv3d_backward_weights<double>(stream, xd, dyd, dw_ref, {});
      for (const auto* table : backends())
        for (const auto& format : formats) {
          CAPTURE(table->backend);
          CAPTURE(c.x.str());
          CAPTURE(static_cast<int>(format.precision));
          stream.set_precision(format.precision);
          Array<float> y(ys), dx(c.x), dw(c.w);
          table->conv3d_forward(stream, x, w, {}, y);
          table->conv3d_backward_data(stream, dy, w, dx);
          table->conv3d_backward_weights(stream, x, dy, dw, {});
          CHECK(relative_error(y, y_ref) < format.tolerance);
          CHECK(relative_error(dx, dx_ref) < format.tolerance);
          CHECK(relative_error(dw, dw_ref) < format.tolerance);
        }
    }
  }

  TEST_CASE("gradient: data and weight gradients are the adjoints of the forward map") {
    Stream stream;
    for (const auto& c : conv3d_cases) {
      const Shape ys = conv3d::output_shape(c.x, c.w);
      const auto x = random_array<double>(c.x, 1), w = random_array<double>(c.w, 2), dy = random_array<double>(ys, 3);
      Array<double> y(ys), dx(c.x), dw(c.w), db(channel_vector(ys.c));
      reference::conv3d_forward<double>(stream, x, w, {}, y);
      reference::conv3d_backward_data<double>(stream, dy, w, dx);
      reference::conv3d_backward_weights<double>(stream, x, dy, dw, db);
      const double forward = dot(y, dy);
      CHECK(dot(x, dx) == doctest::Approx(forward).epsilon(1e-11));
      CHECK(dot(w, dw) == doctest::Approx(forward).epsilon(1e-11));
    }
  }

  TEST_CASE("reproducible: two runs on the same threads are bitwise equal") {
    const Index n = quick_tests() ? 3 : 9;
    const auto x = random_array<float>({1, n, 8, 16, 8}, 1), dy = random_array<float>({1, n, 8, 16, 16}, 2);
    for (const auto* table : backends()) {
      Stream stream(2);
      Array<float> a({3, 3, 3, 8, 16}), b(a.shape()), db(channel_vector(16));
      table->conv3d_backward_weights(stream, x, dy, a, db);
      table->conv3d_backward_weights(stream, x, dy, b, db);
      CHECK(relative_error(a, b) == 0);
    }
  }

  TEST_CASE("errors: channel counts and even kernels are named") {
    CHECK_THROWS_WITH_AS(conv3d::output_shape({1, 4, 4, 4, 16}, {3, 3, 3, 8, 8}),
                         "conv3d: weights have 8 input channels, x has 16", Error);
    CHECK_THROWS_AS(conv3d::output_shape({1, 4, 4, 4, 8}, {2, 3, 3, 8, 8}), Error);
  }
}

#include "kernels/partial_coherence.h"

#include <cmath>
#include <numbers>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"
#include "tests/support/gradcheck.h"

using namespace fringe;
using namespace fringe::test;

namespace {

template <class T>
struct Kernel {
  Array<T> d, h, w;
  Kernel(const Shape& s, double wd, double wh, double ww) : d({1, s.d, 1, 1, 1}), h({1, 1, s.h, 1, 1}), w({1, 1, 1, s.w, 1}) {
    partial_coherence::fill_kernel(wd, s.d, d.data());
    partial_coherence::fill_kernel(wh, s.h, h.data());
    partial_coherence::fill_kernel(ww, s.w, w.data());
  }
  CoherenceKernel<ConstView<T>> views() const { return {d, h, w}; }
};

Array<float> positive_array(const Shape& s, unsigned seed) {
  auto a = random_array<float>(s, seed);
  for (auto& v : a) v = std::abs(v) + 0.1F;
  return a;
}

}  // namespace

TEST_SUITE("partial_coherence") {
  TEST_CASE("math: the kernel has sum 1 and the variance it was asked for; without width it is a delta") {
    for (const Index n : {16, 17, 64}) {
      Array<double> k({1, 1, 1, n, 1});
      partial_coherence::fill_kernel(0.0, n, k.data());
      CHECK(k[0] == doctest::Approx(1));
      for (Index j = 1; j < n; ++j) CHECK(k[j] == doctest::Approx(0).epsilon(1e-12));
      partial_coherence::fill_kernel(1.1, n, k.data());
      double sum = 0, second = 0;
      for (Index j = 0; j < n; ++j) {
        const auto x = static_cast<double>(std::min(j, n - j));
        sum += k[j], second += k[j] * x * x;
      }
      CHECK(sum == doctest::Approx(1));
      CHECK(std::sqrt(second) == doctest::Approx(1.1).epsilon(0.01));
    }
  }

  TEST_CASE("math: fringes of period n / u keep the contrast g(u), along each axis with its own width") {
    Stream stream;
    const Shape s{1, 8, 12, 16, 1};
    const Kernel<double> k(s, 0.4, 0.9, 0.6);
    const double widths[] = {0.4, 0.9, 0.6};
    const Index extent[] = {s.d, s.h, s.w};
    for (int axis = 0; axis < 3; ++axis) {
      const Index u = 3, n = extent[axis];
      Array<double> m(s), y(s);
      const auto fringes = [&](Index i, double contrast) {
        const Index at[] = {i / (s.h * s.w), i / s.w % s.h, i % s.w};
        return 1 + contrast * std::cos(2 * std::numbers::pi * static_cast<double>(u * at[axis]) / static_cast<double>(n));
      };
      for (Index i = 0; i < s.size(); ++i) m[i] = std::sqrt(fringes(i, 0.8));
      reference::partial_coherence_forward<double>(stream, 0, k.views(), m, y);
      const double g = partial_coherence::degree_of_coherence(widths[axis], u, n);
      CHECK(g < 0.95);
      for (Index i = 0; i < s.size(); ++i) CHECK(y[i] * y[i] == doctest::Approx(fringes(i, 0.8 * g)));
    }
  }

  TEST_CASE("backends: every table agrees with the reference") {
    for (const Shape s : {Shape{1, 1, 1, 1, 1}, Shape{2, 3, 5, 7, 1}, Shape{1, 16, 8, 18, 1}, Shape{1, 6, 4, 70, 1}}) {
      const Kernel<float> k(s, 0.5, 0.7, 0.3);
      const auto m = positive_array(s, 1), dy = random_array<float>(s, 2);
      Array<double> y_ref(s), dm_ref(s);
      const Kernel<double> k_ref(s, 0.5, 0.7, 0.3);
      Stream stream(2);
      reference::partial_coherence_forward<double>(stream, 1e-3, k_ref.views(), cast<double>(m), y_ref);
      reference::partial_coherence_backward<double>(stream, k_ref.views(), cast<double>(m), y_ref, cast<double>(dy), dm_ref);
      for (const auto* table : backends()) {
        Array<float> y(s), dm(s);
        table->partial_coherence_forward(stream, 1e-3F, k.views(), m, y);
        table->partial_coherence_backward(stream, k.views(), m, y, dy, dm);
        CHECK(relative_error(y, y_ref) < 1e-5);
        CHECK(relative_error(dm, dm_ref) < 1e-5);
        y.check_canaries(), dm.check_canaries();
      }
    }
  }

  TEST_CASE("gradient: backward is the derivative of forward; where nothing arrives there is none") {
    Stream stream;
    const Shape s{1, 4, 5, 6, 1};
    const Kernel<double> k(s, 0.4, 0.6, 0.5);
    auto m = cast<double>(positive_array(s, 3));
    const auto dy = random_array<double>(s, 4);
    Array<double> y(s), dm(s);
    const auto forward = [&] {
      reference::partial_coherence_forward<double>(stream, 1e-3, k.views(), m, y);
      return dot(y, dy);
    };
    forward();
    reference::partial_coherence_backward<double>(stream, k.views(), m, y, dy, dm);
    check_gradient(m, dm, forward);

    std::fill(m.begin(), m.end(), 0.0);
    reference::partial_coherence_forward<double>(stream, 0, k.views(), m, y);
    reference::partial_coherence_backward<double>(stream, k.views(), m, y, dy, dm);
    for (const double v : dm) CHECK(v == 0);
  }

  TEST_CASE("errors: a kernel of another length is refused") {
    Stream stream;
    const Shape s{1, 4, 4, 4, 1};
    const Kernel<double> k({1, 4, 5, 4, 1}, 0.4, 0.4, 0.4);
    Array<double> m(s), y(s);
    CHECK_THROWS_WITH_AS(reference::partial_coherence_forward<double>(stream, 0, k.views(), m, y),
                         doctest::Contains("the kernel along H has shape (1, 1, 5, 1, 1), expected (1, 1, 4, 1, 1)"), Error);
  }
}

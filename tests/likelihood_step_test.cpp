#include "kernels/likelihood_step.h"

#include <algorithm>

#include "kernels/support_update.h"
#include "kernels/wrapped_fft3d.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Array<float> amplitudes(const Shape& s, unsigned seed) {
  auto a = random_array<float>({1, s.d, s.h, s.w, 1}, seed);
  for (Index i = 0; i < a.shape().size(); ++i) a[i] = i % 5 == 3 ? -1.0F : 2 * std::abs(a[i]);
  return a;
}
Array<float> some_support(const Shape& frame, unsigned seed) {
  auto s = random_array<float>(support_update::box_shape(frame), seed);
  for (auto& v : s) v = v > -0.4F ? 1.0F : 0.0F;
  return s;
}
Array<float> numbers(Index samples, std::initializer_list<float> values) {
  Array<float> a({samples, 1, 1, 1, static_cast<Index>(values.size()) / samples});
  std::copy(values.begin(), values.end(), a.begin());
  return a;
}

const LikelihoodParams params{0.05, 0.25};

}  // namespace

TEST_SUITE("likelihood_step") {
  TEST_CASE("math: (3, 4) of 26 photons less one, b = 1: the gradient is (1 - 26/26) F; what was not measured has none") {
    Stream stream;
    const Shape s{1, 1, 1, 2, 2};
    for (const auto* table : backends()) {
      Array<float> f(s), d(s), g(s), misfit(sample_vector(1));
      const float field[] = {1, 0, 5, 6}, direction[] = {1, 2, 0, 0}, amplitude[] = {std::sqrt(26.0F), -1};
      std::copy(field, field + 4, f.begin());
      std::copy(direction, direction + 4, d.begin());
      Array<float> a({1, 1, 1, 2, 1});
      std::copy(amplitude, amplitude + 2, a.begin());
      table->likelihood_gradient(stream, {1, 1}, a, numbers(1, {7, 2}), d, f, g, misfit);  // F = (1, 0) + 2 (1, 2)
      CHECK(f[0] == 3);
      CHECK(f[1] == 4);
      for (const float v : g) CHECK(std::abs(v) < 1e-6);
      CHECK(misfit[0] == doctest::Approx((5 - std::sqrt(26.0)) * (5 - std::sqrt(26.0))).epsilon(1e-4));
    }
  }

  TEST_CASE("math: beta is Polak's and Ribiere's, but 0 where it would go up; steps stay within their bounds") {
    CHECK(likelihood_step::beta(4, 1, 0.5, 6) == 0.5);
    CHECK(likelihood_step::beta(4, 1, 0.5, 0) == 0);
    CHECK(likelihood_step::beta(4, 5, 0.5, 6) == 0);
    CHECK(likelihood_step::beta(4, 1, 9, 6) == 0);
    CHECK(likelihood_step::first_step(-4, 2) == 2);
    CHECK(likelihood_step::first_step(-4, -2) == 0.5);
    CHECK(likelihood_step::corrected_step(likelihood_step::first_step(4, 2), 1, 1) == 0);
    CHECK(likelihood_step::corrected_step(2, 1, 2) == 1.5);
    CHECK(likelihood_step::corrected_step(2, 1, -2) == 2);
    CHECK(likelihood_step::corrected_step(2, 100, 2) == doctest::Approx(0.2));
    CHECK(likelihood_step::corrected_step(2, -100, 2) == 8);
  }

  TEST_CASE("backends: every table agrees with the reference, piece by piece, and on one thread as on three") {
    Stream stream(3), one(1);
    for (const Shape s : {Shape{1, 2, 2, 2, 2}, Shape{2, 4, 6, 10, 2}, Shape{3, 5, 7, 9, 2}, Shape{1, 16, 12, 20, 2}}) {
      CAPTURE(s.str());
      const auto a = amplitudes(s, 1), support = some_support(s, 2), direction = random_array<float>(s, 3);
      const auto field = random_array<float>(s, 4), gradient = random_array<float>(s, 5), before = random_array<float>(s, 6);
      Array<float> scalars({s.n, 1, 1, 1, 2}), products({s.n, 1, 1, 1, 3});
      for (Index n = 0; n < s.n; ++n) {
        scalars[2 * n] = 20, scalars[2 * n + 1] = n == 1 ? 0 : 0.3F;
        products[3 * n] = 10, products[3 * n + 1] = 2, products[3 * n + 2] = n == 2 ? 100 : -1;
      }
      auto field_ref = cast<double>(field), masked_ref = cast<double>(gradient), before_ref = cast<double>(before),
           direction_ref = cast<double>(direction), x_ref = cast<double>(field), scalars_ref = cast<double>(scalars);
      const auto ad = cast<double>(a), dd = cast<double>(direction), pd = cast<double>(products), sd = cast<double>(scalars);
      Array<double> g_ref(s), misfit_ref(sample_vector(s.n)), products_ref(products.shape());
      reference::likelihood_gradient<double>(stream, params, ad, sd, dd, field_ref, g_ref, misfit_ref);
      reference::likelihood_products<double>(stream, cast<double>(support), before_ref, dd, masked_ref, products_ref);
      reference::likelihood_direction<double>(stream, pd, sd, cast<double>(gradient), before_ref, direction_ref);
      reference::likelihood_search<double>(stream, params, ad, cast<double>(field), dd, pd, scalars_ref);
      reference::likelihood_advance<double>(stream, sd, dd, x_ref);
      for (const auto* table : backends())
        for (Stream* at : {&stream, &one}) {
          auto f = field, masked = gradient, b = before, d = direction, x = field, numbers = scalars;
          Array<float> g(s), misfit(sample_vector(s.n)), found(products.shape());
          table->likelihood_gradient(*at, params, a, scalars, direction, f, g, misfit);
          table->likelihood_products(*at, support, before, direction, masked, found);
          table->likelihood_direction(*at, products, scalars, gradient, b, d);
          table->likelihood_search(*at, params, a, field, direction, products, numbers);
          table->likelihood_advance(*at, scalars, direction, x);
          CHECK(relative_error(f, field_ref) < 1e-6);
          CHECK(relative_error(g, g_ref) < 1e-5);
          CHECK(relative_error(misfit, misfit_ref) < 1e-5);
          CHECK(relative_error(masked, masked_ref) == 0);
          CHECK(relative_error(found, products_ref) < 1e-5);
          CHECK(relative_error(b, before_ref) == 0);
          CHECK(relative_error(d, direction_ref) < 1e-6);
          CHECK(relative_error(numbers, scalars_ref) < 1e-5);
          for (Index n = 0; n < s.n; ++n) CHECK(numbers[2 * n + 1] == doctest::Approx(scalars_ref[2 * n + 1]).epsilon(1e-3));
          CHECK(relative_error(x, x_ref) < 1e-6);
          for (auto* array : {&f, &g, &masked, &b, &d, &x}) array->check_canaries();
        }
    }
  }

  TEST_CASE("gradient: s(t) and c(t) are the derivatives of the likelihood, and G is half of its gradient by F") {
    const double background = 0.05, a = 1.7, re = 0.6, im = -0.4, dr = 0.9, di = 0.3, h = 1e-5;
    const auto likelihood = [&](double t) {
      const double x = re + t * dr, y = im + t * di, p = x * x + y * y + background;
      return p - a * a * std::log(p);
    };
    double slope, curvature;
    likelihood_step::terms<double>(re, im, dr, di, a, background, 0.2, slope, curvature);
    CHECK(slope == doctest::Approx((likelihood(0.2 + h) - likelihood(0.2 - h)) / (2 * h)).epsilon(1e-6));
    CHECK(curvature ==
          doctest::Approx((likelihood(0.2 + h) - 2 * likelihood(0.2) + likelihood(0.2 - h)) / (h * h)).epsilon(1e-3));
    Stream stream;
    const Shape s{1, 1, 1, 1, 2};
    Array<double> f(s), d(s), g(s), misfit(sample_vector(1)), amplitude({1, 1, 1, 1, 1}), scalars({1, 1, 1, 1, 2});
    f[0] = re, f[1] = im, d[0] = dr, d[1] = di, amplitude[0] = a, scalars[0] = scalars[1] = 0;
    reference::likelihood_gradient<double>(stream, {background, 1}, amplitude, scalars, d, f, g, misfit);
    likelihood_step::terms<double>(re, im, dr, di, a, background, 0, slope, curvature);
    CHECK(2 * (g[0] * dr + g[1] * di) == doctest::Approx(slope).epsilon(1e-12));
  }

  TEST_CASE("shapes that do not fit are refused") {
    Stream stream;
    const Shape s{1, 4, 4, 4, 2};
    auto x = random_array<float>(s, 1);
    Array<float> scalars({1, 1, 1, 1, 2}), wrong({1, 1, 1, 1, 3});
    for (const auto* table : backends()) {
      CHECK_THROWS_WITH_AS(table->likelihood_advance(stream, wrong, x, x),
                           "likelihood_step: scalars has shape (1, 1, 1, 1, 3), expected (1, 1, 1, 1, 2)", Error);
      CHECK_THROWS_AS(table->likelihood_search(stream, {}, x, x, x, wrong, scalars), Error);
    }
  }
}

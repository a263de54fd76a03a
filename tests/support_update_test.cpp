#include "kernels/support_update.h"

#include <algorithm>
#include <complex>

#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

/// Two thirds of the box.
Array<float> some_support(const Shape& frame, unsigned seed) {
  auto s = random_array<float>(support_update::box_shape(frame), seed);
  for (auto& v : s) v = v > -0.4F ? 1.0F : 0.0F;
  return s;
}

const Shape frames[] = {{1, 2, 2, 2, 2}, {2, 4, 6, 10, 2}, {3, 5, 7, 9, 2}, {1, 12, 8, 20, 2}, {1, 16, 17, 19, 2}};

}  // namespace

TEST_SUITE("support_update") {
  TEST_CASE("math: hybrid input-output in a row of eight, whose box is voxels 6, 7, 0, 1") {
    Stream stream;
    const Shape s{1, 2, 2, 8, 2};
    for (const auto* table : backends()) {
      Array<float> x(s), p(s), y(s), support(support_update::box_shape(s));
      for (Index i = 0; i < s.size(); ++i) x[i] = 100, p[i] = static_cast<float>(i / 2 % 8);
      std::fill(support.begin(), support.end(), 0.0F);
      support[1] = support[3] = 1;  // voxels 7 and 1 of the row at d = h = 0
      SupportUpdateParams hio;
      hio.x_out = 1, hio.p_out = -0.5;
      table->support_update(stream, hio, support, {}, x, p, y);
      for (Index i = 0; i < s.size(); ++i) {
        const bool in = i / 16 == 0 && (i / 2 % 8 == 7 || i / 2 % 8 == 1);
        CHECK(y[i] == (in ? p[i] : 100 - 0.5F * p[i]));
      }
    }
  }

  TEST_CASE(
      "backends: every table agrees with the reference, for all coefficients, with and without a range of phases, in place") {
    Stream stream(2);
    struct Kind {
      double x_in, p_in, x_out, p_out;
    };
    for (const Shape& s : frames)
      for (const Kind& k : {Kind{0, 1, 0, 0}, {0, 1, 1, -0.9}, {0, 1, 0.9, -0.8}, {1, 0, 1.25, 0}, {0.5, 0.25, 0, -1}})
        for (const double half_width : {0.0, 1.0, 2.0}) {
          if (quick_tests() && s.d > 5) continue;
          SupportUpdateParams o{k.x_in, k.p_in, k.x_out, k.p_out, half_width > 0, -half_width, half_width};
          const auto x = random_array<float>(s, 1), p = random_array<float>(s, 2), support = some_support(s, 3);
          auto sums = random_array<float>({s.n, 1, 1, 1, 3}, 4);
          if (s.n == 3) sums[4] = sums[5] = 0;  // no mean: the phases themselves
          const auto xd = cast<double>(x), pd = cast<double>(p), sd = cast<double>(support), md = cast<double>(sums);
          Array<double> y_ref(s);
          reference::support_update<double>(stream, o, sd, o.limits_phase ? md.view() : ConstView<double>{}, xd, pd, y_ref);
          for (const auto* table : backends()) {
            const auto means = o.limits_phase ? sums.view() : ConstView<float>{};
            Array<float> y(s), in_x = x, in_p = p;
            table->support_update(stream, o, support, means, x, p, y);
            table->support_update(stream, o, support, means, in_x, p, in_x);
            table->support_update(stream, o, support, means, x, in_p, in_p);
            CHECK(relative_error(y, y_ref) < 1e-6);
            CHECK(std::equal(y.begin(), y.end(), in_x.begin()));
            CHECK(std::equal(y.begin(), y.end(), in_p.begin()));
            y.check_canaries();
          }
        }
  }

  TEST_CASE("an operand whose coefficient is 0 is not read: infinities there do no harm") {
    Stream stream;
    const Shape s{1, 4, 4, 4, 2};
    for (const auto* table : backends()) {
      Array<float> x(s), y(s);
      auto p = random_array<float>(s, 1);
      std::fill(x.begin(), x.end(), std::numeric_limits<float>::infinity());
      table->support_update(stream, {}, some_support(s, 2), {}, x, p, y);
      CHECK(std::all_of(y.begin(), y.end(), [](float v) { return std::isfinite(v); }));
    }
  }

  TEST_CASE("phases: those within the range about the mean of x |x| over the support stay") {
    Stream stream;
    const Shape s{1, 4, 4, 4, 2};
    for (const auto* table : backends()) {
      Array<float> x(s), p(s), y(s), support(support_update::box_shape(s)), sums({1, 1, 1, 1, 3});
      std::fill(support.begin(), support.end(), 1.0F);
      for (Index i = 0; i < s.size() / 2; ++i) {
        const auto v = std::polar(2.0F, 1.0F), u = std::polar(1.0F, 0.1F * static_cast<float>(i % 20));
        x[2 * i] = v.real(), x[2 * i + 1] = v.imag();
        p[2 * i] = u.real(), p[2 * i + 1] = u.imag();
      }
      table->density_sums(stream, support, x, sums);
      CHECK(sums[0] == doctest::Approx(64 * 4));
      CHECK(std::atan2(sums[2], sums[1]) == doctest::Approx(1.0).epsilon(1e-5));
      CHECK(std::hypot(sums[1], sums[2]) == doctest::Approx(8 * 4));
      SupportUpdateParams er;
      er.limits_phase = true, er.low = -0.55, er.high = 0.35;
      table->support_update(stream, er, support, sums, x, p, y);
      for (Index d : {0, 1, 3})  // of four, 3, 0 are in the box; of those within it voxels of all phases
        for (Index w = 0; w < 4; ++w) {
          const Index i = d * 16 + w;
          const double phase = 0.1 * static_cast<double>(i % 20);
          const bool kept = (d == 0 || d == 3) && (w == 0 || w == 3) && phase > 0.45 && phase < 1.35;
          CHECK((y[2 * i] != 0 || y[2 * i + 1] != 0) == kept);
        }
    }
  }

  TEST_CASE("density_sums and charge_flip: every table agrees with the reference, on one thread as on three") {
    Stream stream(3), one(1);
    for (const Shape& s : frames) {
      const auto x = random_array<float>(s, 5), p = random_array<float>(s, 6), support = some_support(s, 7);
      Array<double> sums_ref({s.n, 1, 1, 1, 3}), y_ref(s);
      reference::density_sums<double>(stream, cast<double>(support), cast<double>(x), sums_ref);
      reference::charge_flip<double>(stream, 1.1, sums_ref, cast<double>(p), y_ref);
      for (const auto* table : backends()) {
        Array<float> sums(sums_ref.shape()), y(s), same(sums_ref.shape()), in_place = p;
        table->density_sums(stream, support, x, sums);
        table->density_sums(one, support, x, same);
        CHECK(relative_error(sums, sums_ref) < 1e-5);
        CHECK(std::equal(sums.begin(), sums.end(), same.begin()));
        table->charge_flip(stream, 1.1F, sums, p, y);
        table->charge_flip(stream, 1.1F, sums, in_place, in_place);
        CHECK(relative_error(y, y_ref) < 1e-6);
        CHECK(std::equal(y.begin(), y.end(), in_place.begin()));
        y.check_canaries(), sums.check_canaries();
      }
      if (s.size() > 100) CHECK(std::mismatch(y_ref.begin(), y_ref.end(), cast<double>(p).begin()).first != y_ref.end());
    }
  }

  TEST_CASE("shapes that do not fit are refused") {
    Stream stream;
    const Shape s{1, 4, 4, 4, 2};
    const auto x = random_array<float>(s, 1);
    Array<float> y(s), wrong({1, 4, 4, 4, 1});
    for (const auto* table : backends()) {
      CHECK_THROWS_WITH_AS(table->support_update(stream, {}, wrong, {}, x, x, y),
                           "support_update: support has shape (1, 4, 4, 4, 1), expected (1, 2, 2, 2, 1)", Error);
      SupportUpdateParams ranged;
      ranged.limits_phase = true;
      CHECK_THROWS_AS(table->support_update(stream, ranged, some_support(s, 1), {}, x, x, y), Error);
    }
  }
}

#include "kernels/shrink_support.h"

#include <algorithm>

#include "kernels/support_update.h"
#include "tests/support/arrays.h"
#include "tests/support/backends.h"

using namespace fringe;
using namespace fringe::test;

namespace {

Array<float> absolute(Array<float> a) {
  for (auto& v : a) v = std::abs(v);
  return a;
}

/// A blob off the centre of each box, zeros around it.
Array<float> blobs(const Shape& box) {
  Array<float> b(box);
  Index i = 0;
  for (Index n = 0; n < box.n; ++n)
    for (Index d = 0; d < box.d; ++d)
      for (Index h = 0; h < box.h; ++h)
        for (Index w = 0; w < box.w; ++w, ++i) {
          const auto x = static_cast<double>(d - box.d / 3 - n), y = static_cast<double>(h - box.h / 2 - 1),
                     z = static_cast<double>(w - box.w / 3);
          const double r2 = x * x + y * y + z * z;
          b[i] = r2 < 12 ? static_cast<float>(std::exp(-r2 / 9) + 1e-3 * std::sin(static_cast<double>(i))) : 0.0F;
        }
  return b;
}

Array<float> values(std::initializer_list<float> v) {
  Array<float> a(sample_vector(static_cast<Index>(v.size())));
  std::copy(v.begin(), v.end(), a.begin());
  return a;
}

}  // namespace

TEST_SUITE("shrink_support") {
  TEST_CASE("math: a point becomes the Gaussian, around the ends of the array; sigma 0 is the modulus") {
    Stream stream;
    const Shape s{1, 1, 1, 8, 2};
    const Shape line{1, 4, 4, 8, 2}, box{1, 2, 2, 4, 1};
    for (const auto* table : backends()) {
      Array<float> x(line), b(box);
      std::fill(x.begin(), x.end(), 0.0F);
      for (Index d = 0; d < 4; ++d)
        for (Index h = 0; h < 4; ++h) x.view()(0, d, h, 7, 0) = -3, x.view()(0, d, h, 7, 1) = 4;  // voxel 1 of the box
      table->blurred_amplitude(stream, 0, x, b);
      for (Index w = 0; w < 4; ++w) CHECK(b[w] == (w == 1 ? 5 : 0));
      const double sigma = 0.6;  // reach 2
      double total = 0;
      for (int t = -2; t <= 2; ++t) total += std::exp(-t * t / (2 * sigma * sigma));
      table->blurred_amplitude(stream, static_cast<float>(sigma), x, b);
      for (Index w = 0; w < 4; ++w) {
        const auto t = static_cast<double>(w - 1);
        CHECK(b[w] == doctest::Approx(5 * std::exp(-t * t / (2 * sigma * sigma)) / total).epsilon(1e-5));
      }
    }
    CHECK(shrink_support::reach(2) == 6);
    Array<float> x(s), b({1, 0, 0, 4, 1});
    CHECK_THROWS_WITH_AS(cpu::blurred_amplitude(stream, 22, x, b),
                         "blurred_amplitude: sigma is 22, at least 0 and at most 21 are possible", Error);
  }

  TEST_CASE("backends: every table's blur agrees with the reference, reaching past the ends or not") {
    Stream stream(3);
    for (const Shape s : {Shape{1, 2, 2, 2, 2}, Shape{2, 6, 8, 10, 2}, Shape{1, 9, 7, 12, 2}, Shape{1, 16, 12, 20, 2}})
      for (const float sigma : {0.0F, 0.4F, 1.3F}) {
        const Shape box = support_update::box_shape(s);
        const auto x = random_array<float>(s, 1);
        Array<double> b_ref(box);
        reference::blurred_amplitude<double>(stream, static_cast<double>(sigma), cast<double>(x), b_ref);
        for (const auto* table : backends()) {
          Array<float> b(box);
          table->blurred_amplitude(stream, sigma, x, b);
          CHECK(relative_error(b, b_ref) < 1e-5);
          b.check_canaries();
        }
      }
  }

  TEST_CASE("math: what is at least half of the maximum, moved into the middle") {
    Stream stream;
    for (const auto* table : backends()) {
      const Shape box{1, 1, 1, 6, 1};
      Array<float> b(box), before(box), support(box), stats({1, 1, 1, 1, 4});
      const float v[] = {8, 4, 3.9F, 0, 0, 0};
      std::copy(v, v + 6, b.begin());
      std::fill(before.begin(), before.end(), 1.0F);
      // The centre of mass is at 0.5, the middle at 3: 2.5 away, rounded away from zero.
      table->shrink_support(stream, {ThresholdOf::maximum, 1, 6}, values({0.5F}), b, before, support, stats);
      CHECK(stats[2] == 3);
      CHECK(stats[3] == 2);
      const float by_three[] = {0, 0, 0, 1, 1, 0};
      CHECK(std::equal(by_three, by_three + 6, support.begin()));
      // At most one voxel, at least three, whatever the threshold.
      table->shrink_support(stream, {ThresholdOf::maximum, 1, 1}, values({0.5F}), b, before, support, stats);
      CHECK(stats[3] == 1);
      CHECK(support[3] == 1);
      table->shrink_support(stream, {ThresholdOf::maximum, 3, 6}, values({0.9F}), b, before, support, stats);
      CHECK(stats[2] == 2);
      CHECK(stats[3] == 3);
      // More than are there: zeros are in no support.
      table->shrink_support(stream, {ThresholdOf::maximum, 5, 6}, values({0.9F}), b, before, support, stats);
      CHECK(stats[3] == 3);
      // Nothing at all.
      std::fill(b.begin(), b.end(), 0.0F);
      table->shrink_support(stream, {ThresholdOf::level, 5, 6}, values({0.9F}), b, before, support, stats);
      CHECK(std::all_of(support.begin(), support.end(), [](float s) { return s == 0; }));
      for (const float s : stats) CHECK(s == 0);
      // At both ends: moved by nothing, as one end would leave.
      const float ends[] = {8, 0, 8, 0, 0, 8};
      std::copy(ends, ends + 6, b.begin());
      table->shrink_support(stream, {ThresholdOf::maximum, 1, 6}, values({0.5F}), b, before, support, stats);
      CHECK(stats[2] == 0);
      for (Index i = 0; i < 6; ++i) CHECK(support[i] == (ends[i] > 0 ? 1 : 0));
    }
  }

  TEST_CASE("backends: every table finds the reference's support, whatever the threshold is of, and where it has to give way") {
    Stream stream(2);
    for (const Shape box : {Shape{2, 8, 9, 10, 1}, Shape{3, 13, 12, 11, 1}, Shape{1, 16, 16, 17, 1}}) {
      if (quick_tests() && box.d > 8) continue;
      const auto some = blobs(box), noise = absolute(random_array<float>(box, 2));
      auto before = random_array<float>(box, 3);
      for (auto& v : before) v = v > 0 ? 1.0F : 0.0F;
      Array<float> thresholds(sample_vector(box.n));
      for (Index n = 0; n < box.n; ++n) thresholds[n] = 0.3F + 0.2F * static_cast<float>(n);
      for (const auto of : {ThresholdOf::maximum, ThresholdOf::rms, ThresholdOf::level})
        for (const Index least : {1, 90})
          for (const Index most : {Index{100}, box.voxels()})
            for (const auto* b : {&some, &noise}) {
              if (quick_tests() && (b == &some || (of != ThresholdOf::maximum && (least == 1 || most > 100)))) continue;
              CAPTURE(static_cast<int>(of));
              CAPTURE(least);
              CAPTURE(most);
              const ShrinkSupportParams o{of, least, most};
              Array<double> support_ref(box), stats_ref({box.n, 1, 1, 1, 4});
              reference::shrink_support<double>(stream, o, cast<double>(thresholds), cast<double>(*b), cast<double>(before),
                                                support_ref, stats_ref);
              for (const auto* table : backends()) {
                Array<float> support(box), stats(stats_ref.shape()), in_place = before;
                table->shrink_support(stream, o, thresholds, *b, before, support, stats);
                table->shrink_support(stream, o, thresholds, *b, in_place, in_place, stats);
                CHECK(relative_error(support, support_ref) == 0);
                CHECK(relative_error(stats, stats_ref) == 0);
                CHECK(std::equal(support.begin(), support.end(), in_place.begin()));
                support.check_canaries(), stats.check_canaries();
              }
            }
    }
  }

  TEST_CASE("roll: every table moves each sample by its own shift, around the ends; there and back is where it was") {
    Stream stream(2);
    for (const Shape s : {Shape{1, 1, 1, 1, 2}, Shape{2, 4, 6, 5, 2}, Shape{3, 7, 3, 9, 1}}) {
      const auto x = random_array<float>(s, 1);
      Array<float> stats({s.n, 1, 1, 1, 4}), back(stats.shape());
      for (Index i = 0; i < stats.shape().size(); ++i) stats[i] = static_cast<float>(i % 5 - 2), back[i] = -stats[i];
      Array<float> y_ref(s);
      reference::roll<float>(stream, stats, x, y_ref);
      for (const auto* table : backends()) {
        Array<float> y(s), z(s);
        table->roll(stream, stats, x, y);
        table->roll(stream, back, y, z);
        CHECK(std::equal(y.begin(), y.end(), y_ref.begin()));
        CHECK(std::equal(z.begin(), z.end(), x.begin()));
        y.check_canaries();
      }
    }
  }

  TEST_CASE("bounds that make no sense are refused") {
    Stream stream;
    const Shape box{1, 2, 2, 2, 1};
    Array<float> b(box), stats({1, 1, 1, 1, 4});
    for (const auto* table : backends())
      CHECK_THROWS_WITH_AS(table->shrink_support(stream, {ThresholdOf::rms, 3, 2}, values({1}), b, b, b, stats),
                           "shrink_support: 3 to 2 voxels of 8; 1 <= least <= most <= all is the rule", Error);
  }
}

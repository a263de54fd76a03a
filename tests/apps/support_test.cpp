// Supports: the first guess and shrink-wrap.
#include "apps/phasing/support.h"

#include <cmath>

#include "apps/phasing/simulate.h"
#include "tests/apps/files.h"

using namespace fringe;

namespace {
/// A box of ones in an array of 16^3.
Volume<Complex> brick(Index d0, Index d1, Index h0, Index h1, Index w0, Index w1) {
  Volume<Complex> v({16, 16, 16});
  for (Index d = d0; d < d1; ++d)
    for (Index h = h0; h < h1; ++h)
      for (Index w = w0; w < w1; ++w) v(d, h, w) = std::polar(1.0F, 0.1F * static_cast<float>(d + h));
  return v;
}
Index differing(const Mask& a, const Volume<Complex>& b) {
  Index n = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) n += (a.data[i] != 0) != (b.data[i] != Complex(0));
  return n;
}
}  // namespace

TEST_SUITE("support") {
  TEST_CASE("the blur keeps the sum of what stays inside, and is a Gaussian") {
    Volume<Complex> point({17, 15, 19});
    point(8, 7, 9) = {0, 2};
    const auto b = blurred_amplitude(point, 1.3);
    double sum = 0;
    for (const float v : b.data) sum += static_cast<double>(v);
    CHECK(sum == doctest::Approx(2).epsilon(1e-5));
    const auto centre = static_cast<double>(b(8, 7, 9));
    CHECK(static_cast<double>(b(8, 8, 9)) == doctest::Approx(centre * std::exp(-1 / (2 * 1.69))).epsilon(1e-5));
    CHECK(static_cast<double>(b(9, 8, 10)) == doctest::Approx(centre * std::exp(-3 / (2 * 1.69))).epsilon(1e-5));
    CHECK(blurred_amplitude(point, 0)(8, 7, 9) == 2);
  }

  TEST_CASE("shrink-wrap of a brick at half its density is the brick, whatever the threshold is a share of") {
    const auto object = brick(4, 12, 5, 11, 3, 12);
    const Mask all({16, 16, 16}, 1);
    ShrinkWrap o;
    o.least = 0, o.most = 1;
    for (const auto of : {ThresholdOf::maximum, ThresholdOf::level}) {
      o.of = of;
      const auto s = shrink_wrap(object, 0, all, o, 0.5, 0.6);
      CHECK(differing(s, object) <= 40);  // the corners
    }
    o.of = ThresholdOf::rms;
    Mask inside({16, 16, 16});
    for (std::size_t i = 0; i < inside.data.size(); ++i) inside.data[i] = object.data[i] != Complex(0);
    CHECK(differing(shrink_wrap(object, 0, inside, o, 0.5, 0.6), object) <= 40);
  }

  TEST_CASE("the area stays within its bounds") {
    const auto object = brick(4, 12, 5, 11, 3, 12);  // 432 of 32^3 voxels
    const Mask all({16, 16, 16}, 1);
    ShrinkWrap o;
    o.least = 700.0 / 32768, o.most = 1;
    CHECK(voxels_in(shrink_wrap(object, 0, all, o, 0.9, 1)) >= 700);
    o.least = 0, o.most = 200.0 / 32768;
    const auto few = voxels_in(shrink_wrap(object, 0, all, o, 0.01, 1));
    CHECK(few >= 200);
    CHECK(few < 220);  // equal voxels are not told apart
  }

  TEST_CASE("thresholds of the starts cover their range evenly") {
    ShrinkWrap o;
    o.threshold = 0.1, o.last_threshold = 0.4;
    int below = 0;
    for (Index k = 0; k < 10; ++k) {
      const double t = threshold_of(o, k);
      CHECK(t >= 0.1);
      CHECK(t <= 0.4);
      below += t < 0.2;
    }
    CHECK(below == 5);
    o.last_threshold = 0.1;
    CHECK(threshold_of(o, 3) == 0.1);
  }

  TEST_CASE("a support is moved to the middle unless it would lose voxels") {
    Mask s({16, 16, 16});
    for (Index d = 1; d < 6; ++d) s(d, 9, 8) = 1;
    const auto shift = centring_shift(s);
    CHECK(shift == std::array<Index, 3>{5, -1, 0});
    const auto m = moved(s, shift);
    CHECK(voxels_in(m) == 5);
    CHECK(m(8, 8, 8) == 1);
    CHECK(centring_shift(m) == std::array<Index, 3>{0, 0, 0});
    CHECK(voxels_in(half_of(m)) == 3);
    Mask full({16, 16, 16}, 1);
    CHECK(centring_shift(full) == std::array<Index, 3>{0, 0, 0});
  }

  TEST_CASE("the autocorrelation's support holds nearly all of the crystal and less than half of the box") {
    for (const std::uint64_t seed : {1, 2, 3, 4}) {
      CrystalOptions crystal;
      crystal.size = 32;
      crystal.shape = seed % 2 ? CrystalShape::superellipsoid : CrystalShape::polyhedron;
      const auto pattern = expose(make_crystal(crystal, seed), {.photons = 1e6, .noise = true}, seed);
      const auto s = autocorrelation_support(pattern);
      // Where the truth lies in its array is not known: it is moved to the middle first.
      Mask truth(pattern.truth.extent);
      for (std::size_t i = 0; i < truth.data.size(); ++i) truth.data[i] = pattern.truth.data[i] != Complex(0);
      truth = moved(truth, centring_shift(truth));
      Index outside = 0;
      for (std::size_t i = 0; i < truth.data.size(); ++i) outside += truth.data[i] != 0 && s.data[i] == 0;
      CAPTURE(seed);
      CHECK(static_cast<double>(outside) < 0.05 * static_cast<double>(voxels_in(truth)));
      CHECK(voxels_in(s) < s.size() * 3 / 4);
    }
  }
}

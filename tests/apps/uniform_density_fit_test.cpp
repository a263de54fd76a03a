#include "apps/phasing/uniform_density_fit.h"

#include "apps/phasing/alignment.h"
#include "apps/phasing/simulate.h"
#include "engine/context.h"
#include "kernels/error.h"
#include "tests/apps/files.h"

using namespace fringe;

namespace {

const std::atomic<int> go{0};
const auto unheard = [](double) {};

/// The known crystal with a ripple of this relative height on its amplitude.
Volume<Complex> rippled(const Pattern& pattern, float height) {
  Volume<Complex> object = pattern.truth;
  for (std::size_t i = 0; i < object.data.size(); ++i) object.data[i] *= 1 + height * std::sin(static_cast<float>(i % 97));
  return object;
}

struct Case {
  Pattern pattern;
  Mask free;
  Context<float> context{default_table(), 2};

  explicit Case(bool smooth_edge = false)
      : pattern(expose(make_crystal({.size = 32, .smooth_edge = smooth_edge}, 3), {.photons = 1e5, .noise = true}, 3)),
        free(make_free_mask(1, pattern.intensity.extent)) {}

  double error(const Volume<Complex>& object) const { return align(object, pattern.truth, {}).error; }
  double free_llk_of(const Volume<Complex>& object) const {
    return free_llk(calculated_intensity(object, pattern, free), pattern, free);
  }
};

}  // namespace

TEST_SUITE("uniform density fit") {
  TEST_CASE("few photons of a uniform crystal: the stronger the prior, the nearer to the truth") {
    Case c;
    const auto start = rippled(c.pattern, 0.4F);
    const auto fits = fit_uniform_density(c.context, c.pattern, c.free, start, {}, unheard, go);
    REQUIRE(fits.size() == 5);
    CHECK(fits.back().strength == 3000);
    CAPTURE(c.error(start));
    CAPTURE(c.error(fits.front().object));
    CAPTURE(c.error(fits.back().object));
    CHECK(c.error(fits.back().object) < 0.85 * c.error(fits.front().object));
    CHECK(c.error(fits.back().object) < 0.3 * c.error(start));
    for (std::size_t i = 1; i < fits.size(); ++i) CHECK(fits[i].loss > fits[i - 1].loss);
    // Uniform: hardly a voxel between a fifth and four fifths of the level.
    Index between = 0;
    for (const auto& v : fits.back().object.data) between += std::abs(v) > 0.2F && std::abs(v) < 0.8F;
    CHECK(between < 5);
  }

  TEST_CASE("where the surface cuts voxels a strong prior is wrong, and the held-out voxels say so") {
    Case c(true);
    const auto fits = fit_uniform_density(c.context, c.pattern, c.free, c.pattern.truth, {}, unheard, go);
    REQUIRE(fits.size() == 5);
    const auto intensity = [&](const Volume<Complex>& o) { return calculated_intensity(o, c.pattern, c.free); };
    const auto weak = fits.front().object, strong = fits.back().object;
    CHECK(c.error(strong) > c.error(weak));
    const auto d = free_llk_difference(intensity(strong), intensity(weak), c.pattern, c.free);
    CHECK(d.mean > 2 * d.standard_error);
    CHECK(d.mean == doctest::Approx(c.free_llk_of(strong) - c.free_llk_of(weak)).epsilon(1e-6));
  }

  TEST_CASE("the same bits again; only strengths that came to their end; nothing without a crystal") {
    Case c;
    const UniformDensityOptions quick{.strengths = {30, 300}, .steps = 5};
    const auto once = [&](const std::atomic<int>& stop, const std::function<void(double)>& progress) {
      return fit_uniform_density(c.context, c.pattern, c.free, c.pattern.truth, quick, progress, stop);
    };
    const auto a = once(go, unheard), b = once(go, unheard);
    REQUIRE(a.size() == 2);
    CHECK(a[1].object.data == b[1].object.data);
    CHECK(a[1].loss == b[1].loss);
    std::atomic<int> stop{0};
    CHECK(once(stop, [&](double share) { stop = share > 0.7; }).size() == 1);
    CHECK(once(stop, unheard).empty());
    CHECK_THROWS_WITH_AS(fit_uniform_density(c.context, c.pattern, c.free, Volume<Complex>({16, 16, 16}), quick, unheard, go),
                         doctest::Contains("the object is empty"), Error);
  }
}

#include "apps/phasing/polish.h"

#include "apps/phasing/simulate.h"
#include "engine/context.h"
#include "tests/apps/files.h"

using namespace fringe;

namespace {

struct Case {
  Pattern pattern;
  Mask free;
  Context<float> context{default_table(), 2};
  FitProblem problem;

  Case(double photons, bool noise)
      : pattern(expose(make_crystal({.size = 32}, 3), {.photons = photons, .noise = noise}, 3)),
        free(make_free_mask(1, pattern.intensity.extent)), problem(context, pattern, free, FitInput::logarithm) {}

  /// The known crystal with a ripple of relative height `ripple` on its amplitude.
  Volume<Complex> rippled(float ripple) const {
    Volume<Complex> object = pattern.truth;
    for (std::size_t i = 0; i < object.data.size(); ++i)
      object.data[i] *= 1 + ripple * std::sin(static_cast<float>(i % 97));
    return object;
  }
  FitQuality quality(const Volume<Complex>& object) const {
    return fit_quality(calculated_intensity(object, pattern, free), pattern, free);
  }
};

const std::atomic<int> go{0};

}  // namespace

TEST_SUITE("polish") {
  TEST_CASE("what a network could not draw is found: fit and free voxels both get better") {
    Case c(1e7, false);
    const auto before = c.rippled(0.1F);
    const auto polished = polish(c.context, c.problem, before, {}, go);
    CHECK(polished.steps > 0);
    CHECK(c.quality(polished.object).chi2 < 0.1 * c.quality(before).chi2);
    CHECK(*c.quality(polished.object).free_llk < 0.5 * *c.quality(before).free_llk);
  }

  TEST_CASE("where only photon noise is left the object stays as it is, to the bit") {
    Case c(1e5, true);
    const auto polished = polish(c.context, c.problem, c.pattern.truth, {}, go);
    CHECK(polished.steps == 0);
    CHECK(polished.object.data == c.pattern.truth.data);
  }

  TEST_CASE("it stops when it is told to") {
    Case c(1e7, false);
    const std::atomic<int> stop{2};
    CHECK(polish(c.context, c.problem, c.rippled(0.1F), {}, stop).steps == 0);
    CHECK(polish(c.context, c.problem, c.rippled(0.1F), {.time_limit = 0}, go).steps == 0);
  }
}

#include "apps/phasing/coherence_fit.h"

#include "apps/phasing/alignment.h"
#include "apps/phasing/iterate.h"
#include "apps/phasing/polish.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/uniform_density_fit.h"
#include "engine/context.h"
#include "tests/apps/files.h"

using namespace fringe;

namespace {

const std::atomic<int> go{0};
const auto unheard = [](double) {};
const auto never = [] { return false; };

struct Case {
  Pattern pattern;
  Mask free;
  Context<float> context{default_table(), 2};
  Volume<Complex> found;  ///< under coherent illumination

  explicit Case(const std::array<double, 3>& widths)
      : pattern(expose(make_crystal({.size = 32}, 3), {.photons = 1e7, .noise = true, .coherence = widths}, 3)),
        free(make_free_mask(1, pattern.intensity.extent)) {
    IterateOptions o;
    o.starts = 4;
    o.threads = 2;
    found = iterate(
                pattern, o, [](const IterateProgress&) {}, go)
                .object;
  }
  std::optional<CoherenceFit> fit(const std::function<bool()>& stop = never) {
    return fit_coherence(context, pattern, free, found, {}, unheard, stop);
  }
};

}  // namespace

TEST_SUITE("coherence fit") {
  TEST_CASE("partial coherence: the free likelihood tells, and the crystal is nearer to the truth") {
    const std::array<double, 3> widths{0.3, 0.7, 0.5};
    Case c(widths);
    const auto fit = c.fit();
    REQUIRE(fit);
    CHECK(fit->significant());
    // Too small, as the crystal was found under coherent illumination; in the right order.
    CHECK(fit->widths[1] > fit->widths[0]);
    for (std::size_t k = 0; k < 3; ++k) CHECK(fit->widths[k] < widths[k] + 0.1);
    const auto error = [&](const Volume<Complex>& object) { return align(object, c.pattern.truth, {}).error; };
    CHECK(error(fit->object) < error(c.found));

    // What is fitted and judged under the illumination that was found goes on from there.
    auto known = c.pattern;
    known.coherence = fit->widths;
    const auto before = free_llk(calculated_intensity(fit->object, known, c.free), known, c.free);
    CHECK(before < free_llk(calculated_intensity(fit->object, c.pattern, c.free), c.pattern, c.free));
    const auto uniform = fit_uniform_density(c.context, known, c.free, fit->object, {.strengths = {300}}, unheard, go);
    REQUIRE(uniform.size() == 1);
    CHECK(error(uniform[0].object) < error(fit->object));
    const FitProblem problem(c.context, known, c.free, FitInput::logarithm);
    CHECK(polish(c.context, problem, fit->object, {}, go).free_llk <= before);
  }

  TEST_CASE("a coherent pattern stays coherent; a stop is obeyed") {
    Case c({});
    const auto fit = c.fit();
    REQUIRE(fit);
    CAPTURE(fit->gain.mean);
    CAPTURE(fit->gain.standard_error);
    CHECK_FALSE(fit->significant());
    CHECK_FALSE(c.fit([] { return true; }));
  }

  TEST_CASE("iterate and refine under known illumination: a blurred pattern of the known crystal is no misfit; ML is refused") {
    const std::array<double, 3> widths{0.5, 0.6, 0.4};
    auto pattern = expose(make_crystal({.size = 16}, 3), {.photons = 1e7, .coherence = widths}, 3);
    IterateOptions o;
    o.object = pattern.truth;
    o.first_support = FirstSupport::given;
    o.support = occupied(pattern.truth);
    o.shrinks = false;
    o.starts = 1;
    o.free_fraction = 0;
    o.recipe = parse_recipe("5*ER");
    const auto run = [&] { return iterate(pattern, o, [](const IterateProgress&) {}, go).metrics; };
    const double blind = run().at("chi2");
    pattern.coherence = widths;
    CHECK(run().at("chi2") < 0.01 * blind);
    CHECK(run().at("coherence_width") == doctest::Approx(0.5066).epsilon(1e-3));
    RefineOptions r;
    r.fit.epochs = 60;
    r.starts = 1;
    r.threads = 2;
    const auto refined = refine(pattern, r, [](const RefineProgress&) {}, go);
    auto judged = calculated_intensity(refined.object, pattern);
    CHECK(chi2(judged, pattern) == doctest::Approx(refined.metrics.at("chi2_all")).epsilon(1e-3));
    o.recipe = parse_recipe("5*ML");
    CHECK_THROWS_WITH_AS(run(), doctest::Contains("ML supposes coherent illumination"), Error);
  }
}

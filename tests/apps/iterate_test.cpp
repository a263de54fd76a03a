// `fringe iterate` and what is behind it: whole runs.
#include "apps/phasing/iterate.h"

#include <filesystem>

#include "apps/io/cxi.h"
#include "apps/phasing/alignment.h"
#include "apps/phasing/simulate.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::atomic<int> go{0};
void quietly(const IterateProgress&) {}
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Pattern crystal_pattern(std::uint64_t seed, Exposure exposure, Index size = 32) {
  CrystalOptions crystal;
  crystal.size = size;
  return expose(make_crystal(crystal, seed), exposure, seed);
}

void simulate(const Folder& f) {
  REQUIRE(fringe::test::fringe(f, "simulate -q -o '" + (f / "c.cxi") + "' --size 16 --seed 3").code == 0);
}

}  // namespace

TEST_SUITE("iterate") {
  TEST_CASE("noise-free crystals are solved, each of three seeds; the paper's recipe solves them too") {
    for (const std::uint64_t seed : {1, 2, 3}) {
      CAPTURE(seed);
      const auto pattern = crystal_pattern(seed, {.photons = 1e7});
      IterateOptions o;
      o.starts = 8;
      o.threads = 2;
      auto r = iterate(pattern, o, quietly, go);
      CHECK(r.metrics.at("chi2") < 1e-5);
      CHECK(r.metrics.at("true_error") < 0.02);
      use_paper_recipe(o);
      CHECK(iterations(o.recipe) == 2000);
      o.starts = 4;
      r = iterate(pattern, o, quietly, go);
      CHECK(r.metrics.at("chi2") < 1e-3);
    }
  }

  TEST_CASE("what is not measured has no influence: absurd values under the mask change no bit; a masked block is filled in") {
    auto pattern = crystal_pattern(2, {.photons = 1e7});
    pattern.mask = Mask(pattern.intensity.extent, 1);
    for (Index d = 18; d < 23; ++d)
      for (Index h = 10; h < 15; ++h)
        for (Index w = 14; w < 20; ++w) pattern.mask(d, h, w) = 0;
    IterateOptions o;
    o.starts = 6;
    o.threads = 2;
    const auto clean = iterate(pattern, o, quietly, go);
    CHECK(clean.metrics.at("true_error") < 0.05);
    for (std::size_t i = 0; i < pattern.mask.data.size(); ++i)
      if (pattern.mask.data[i] == 0) pattern.intensity.data[i] = 1e9F;
    CHECK(iterate(pattern, o, quietly, go).object.data == clean.object.data);
  }

  TEST_CASE("partial coherence: with the fit of the kernel the crystal is nearer to the truth than without") {
    auto pattern = crystal_pattern(3, {.photons = 1e8});
    Coherence blur(pattern.intensity.extent, CoherenceModel::gaussian, 0.6);
    blur.blur(pattern.intensity.data.data(), pattern.intensity.data.data());
    IterateOptions o;
    o.recipe = parse_recipe("5*(60*RAAR+20*ER)+60*ER");
    o.starts = 6;
    o.threads = 2;
    const auto without = iterate(pattern, o, quietly, go);
    for (const auto model : {CoherenceModel::gaussian, CoherenceModel::lucy}) {
      o.coherence = model;
      const auto with = iterate(pattern, o, quietly, go);
      CHECK(with.metrics.at("chi2") < 0.5 * without.metrics.at("chi2"));
      CHECK(with.metrics.at("true_error") < without.metrics.at("true_error"));
      CHECK(with.metrics.at("coherence_width") == doctest::Approx(0.6).epsilon(0.35));
    }
    o.recipe = parse_recipe("5*ML");
    CHECK_THROWS_WITH_AS(iterate(pattern, o, quietly, go), doctest::Contains("ML supposes coherent illumination"), Error);
  }

  TEST_CASE("threads change no bit, nor does the order in which starts end; detwin and low resolution run") {
    const auto pattern = crystal_pattern(4, {.photons = 1e5, .noise = true}, 16);
    IterateOptions o;
    o.recipe = parse_recipe("60*HIO+40*ER+10*ML");
    o.shrink_wrap.start = 20;
    o.starts = 5;
    o.detwin = 30;
    o.detwin_length = 10;
    o.low_resolution = 0.3;
    const auto one = iterate(pattern, o, quietly, go);
    o.threads = 3;
    const auto three = iterate(pattern, o, quietly, go);
    o.threads = 16;
    const auto many = iterate(pattern, o, quietly, go);
    CHECK(one.object.data == three.object.data);
    CHECK(one.object.data == many.object.data);
    CHECK(one.curves.at("start_free_llk").value == many.curves.at("start_free_llk").value);
    CHECK(one.metrics.at("epochs") == 550);
    double best = 1e300;
    for (const double s : one.curves.at("start_free_llk").value) best = std::min(best, s);
    CHECK(one.metrics.at("free_llk") == doctest::Approx(best).epsilon(1e-3));
  }

  TEST_CASE("a start from the truth stays there") {
    const auto pattern = crystal_pattern(1, {.photons = 1e7});
    IterateOptions o;
    o.object = pattern.truth;
    o.first_support = FirstSupport::given;
    o.support = Mask(pattern.truth.extent);
    for (std::size_t i = 0; i < o.support.data.size(); ++i) o.support.data[i] = pattern.truth.data[i] != Complex(0);
    o.shrinks = false;
    o.recipe = parse_recipe("50*ER");
    o.starts = 1;
    o.free_fraction = 0;
    CHECK(iterate(pattern, o, quietly, go).metrics.at("true_error") < 1e-3);
  }

  TEST_CASE("the command: files, keys, wrong usage") {
    const Folder f("iterate");
    simulate(f);
    const auto o = fringe::test::fringe(f, "iterate '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' -o '" + (f / "r.vti") + "' --starts 3 --json '" +
                                               (f / "r.json") + "'");
    CHECK(o.code == 0);
    CHECK(contains(o.out, "free llk"));
    CHECK(contains(o.err, "iterations/s"));
    for (const std::string key : {"chi2", "pearson", "llk", "free_llk", "true_error", "seconds", "epochs", "epochs_per_second", "device", "version",
                                  "command", "recipe", "best_seed"})
      CHECK(contains(contents(f / "r.json"), "\"" + key + "\": "));
    const auto more = fringe::test::fringe(f, "iterate '" + (f / "c.cxi") + "' -o '" + (f / "s.cxi") + "' -q --start '" + (f / "r.cxi") + "' --recipe 20*ER --no-shrink-wrap");
    CHECK(more.code == 0);
    CHECK(more.out.empty());
    CHECK(io::read_reconstruction(f / "s.cxi").metrics.at("chi2") <= 1.01 * io::read_reconstruction(f / "r.cxi").metrics.at("chi2"));
    const auto wrong = fringe::test::fringe(f, "iterate a.cxi -o b.cxi --recipe '50*ER+HIQ'");
    CHECK(wrong.code == 2);
    CHECK(contains(wrong.err, "character 7"));
    for (const std::string usage : {"--resume", "--time soon", "--phase-range 3", "--phase-range 2,1", "--detwin 0,5", "--threshold 0.4,0.1",
                                    "--coherence none", "--starts 0"}) {
      CAPTURE(usage);
      CHECK(fringe::test::fringe(f, "iterate a.cxi -o b.cxi " + usage).code == 2);
    }
    CHECK(fringe::test::fringe(f, "iterate '" + (f / "none.cxi") + "' -o '" + (f / "b.cxi") + "'").code == 1);
    const std::string blurred = "iterate '" + (f / "c.cxi") + "' -o '" + (f / "g.cxi") + "' --starts 2 --coherence gaussian";
    CHECK(fringe::test::fringe(f, blurred).code == 0);
    CHECK(io::read_reconstruction(f / "g.cxi").configuration.at("recipe").find("ML") == std::string::npos);
    const auto with_ml = fringe::test::fringe(f, blurred + " --recipe 2000000*ER+5*ML");
    CHECK(with_ml.code == 1);  // at once
    CHECK(contains(with_ml.err, "leave it out of the recipe 2000000*ER+5*ML"));
    const auto time = fringe::test::fringe(f, "iterate '" + (f / "c.cxi") + "' -o '" + (f / "t.cxi") + "' -q --time 1s");
    CHECK(time.code == 0);
    CHECK(io::read_reconstruction(f / "t.cxi").metrics.at("seconds") < 3);
  }
}

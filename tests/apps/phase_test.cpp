// `fringe phase` and what is behind it.
#include "apps/phasing/phase.h"

#include "apps/io/cxi.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/starting_object.h"
#include "kernels/error.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::atomic<int> go{0};
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_SUITE("phase") {
  TEST_CASE("the same seed gives the same bits; stopped before anything is there, there is no result") {
    CrystalOptions crystal;
    crystal.size = 16;
    const auto pattern = expose(make_crystal(crystal, 1), {.photons = 1e6}, 1);
    const auto once = [&] {
      return phase(
                 pattern, {.threads = 2}, [](const PhaseProgress&) {}, go)
          .result;
    };
    const auto a = once(), b = once();
    CHECK(a.object.data == b.object.data);
    CHECK(a.maps.at("phase_std").data == b.maps.at("phase_std").data);
    const std::atomic<int> stopped{2};
    CHECK(phase(
              pattern, {}, [](const PhaseProgress&) {}, stopped)
              .result.object.empty());
  }

  TEST_CASE("a crystal that fills the half array, heavier on one side, is not for the network; there is a result all the same") {
    Volume<Complex> object({8, 8, 8}, 1);
    for (Index d = 0; d < 3; ++d)
      for (Index h = 0; h < 8; ++h)
        for (Index w = 0; w < 8; ++w) object(d, h, w) = 3;
    const auto pattern = expose(object, {.photons = 1e6}, 1);
    REQUIRE_THROWS_WITH_AS(starting_object(object, pattern.intensity.extent), doctest::Contains("does not fit into half"), Error);
    const auto done = phase(
        pattern, {.threads = 2}, [](const PhaseProgress&) {}, go);
    CHECK_THROWS_AS(starting_object(done.result.object, pattern.intensity.extent), Error);
    for (const auto& step : done.steps) CHECK_FALSE(contains(step.what, "network"));
    // Its density is a product of factors along the axes, and so is its pattern: others have the same one, and the true error tells nothing.
    CHECK(done.result.metrics.at("chi2") < 1e-6);
  }

  TEST_CASE("partial coherence is found, told, and makes the crystal better; with coherent light there is none") {
    const Folder f("phase-coherence");
    const auto file = [&](const char* name) { return "'" + (f / name) + "'"; };
    const std::string simulate = "simulate -q --size 24 --seed 3 --photons 1e6 --voxel-size 1e-8 -o ";
    const auto phased = [&](const std::string& options) {
      REQUIRE(fringe::test::fringe(f, simulate + file("c.cxi") + options).code == 0);
      const auto o = fringe::test::fringe(f, "phase " + file("c.cxi") + " -o " + file("r.cxi"));
      CAPTURE(o.err);
      REQUIRE(o.code == 0);
      return std::pair{o.out, io::read_reconstruction(f / "r.cxi")};
    };
    const auto [said, r] = phased(" --coherence 0.4,0.7,0.5");
    CAPTURE(said);
    CHECK(contains(said, "coherence   partial: kernel"));
    CHECK(contains(said, "coherence lengths"));
    CHECK(r.metrics.at("coherence_width_d") == doctest::Approx(0.4).epsilon(0.25));
    CHECK(r.metrics.at("coherence_width_h") == doctest::Approx(0.7).epsilon(0.15));
    CHECK(r.metrics.at("coherence_width_w") == doctest::Approx(0.5).epsilon(0.25));
    CHECK(r.metrics.at("coherence_length_h") ==
          doctest::Approx(24 * 1e-8 / (2 * 3.14159265 * r.metrics.at("coherence_width_h"))).epsilon(1e-4));
    CHECK(r.metrics.at("true_error") < 0.12);
    const auto [coherent, c] = phased("");
    CHECK(contains(coherent, "coherence   full, as far as the held-out voxels tell"));
    CHECK(c.metrics.at("coherence_width_h") == 0);
  }

  TEST_CASE("the command: what it prints and writes, its time limit, Ctrl-C") {
    const Folder f("phase");
    const auto file = [&](const char* name) { return "'" + (f / name) + "'"; };
    REQUIRE(fringe::test::fringe(f, "simulate -q -o " + file("c.cxi") + " --size 16 --seed 3 --photons 1e5").code == 0);
    const auto o = fringe::test::fringe(f, "phase " + file("c.cxi") + " -o " + file("r.cxi") + " --json " + file("r.json"));
    CHECK(o.code == 0);
    for (const char* text : {"result", "free llk", "nearly uniform density, prior", "how sure", "PRTF = 1/e", "written"}) CHECK(contains(o.out, text));
    for (const std::string key :
         {"chi2", "pearson", "llk", "free_llk", "true_error", "seconds", "agreement_error", "median_free_llk", "density_prior", "verdict"})
      CHECK(contains(contents(f / "r.json"), "\"" + key + "\": "));
    CHECK(io::read_reconstruction(f / "r.cxi").maps.size() == 4);
    const auto quick = fringe::test::fringe(f, "phase -q " + file("c.cxi") + " -o " + file("t.cxi") + " --time 1s");
    CAPTURE(quick.err);
    CHECK(quick.code == 0);
    CHECK(quick.out.empty());
    CHECK(io::read_reconstruction(f / "t.cxi").metrics.at("seconds") < 5);
    const auto interrupted =
        fringe::test::fringe(f, "phase -q " + file("c.cxi") + " -o " + file("i.cxi"), "timeout --preserve-status -s INT 0.8 ");
    const bool known = interrupted.code == 130 || interrupted.code == 0;
    CHECK(known);
    for (const std::string usage : {"--starts 3", "--time soon", "--checkpoint k.h5"})
      CHECK(fringe::test::fringe(f, "phase a.cxi -o b.cxi " + usage).code == 2);
  }
}

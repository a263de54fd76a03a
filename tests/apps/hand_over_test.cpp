// From a crystal that another method found to the network, and back.
#include "apps/phasing/hand_over.h"

#include "apps/io/cxi.h"
#include "apps/io/hdf5_data.h"
#include "apps/phasing/alignment.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/starting_object.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

const std::atomic<int> go{0};
bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Pattern crystal_pattern(std::uint64_t seed) {
  CrystalOptions crystal;
  crystal.size = 32;
  return expose(make_crystal(crystal, seed), {.photons = 1e7, .noise = true}, seed);
}

}  // namespace

TEST_SUITE("hand over") {
  TEST_CASE("a network is fitted to a given crystal: within a tenth") {
    const auto pattern = crystal_pattern(1);
    Context<float> context(default_table(), 2);
    const Mask free;
    const FitProblem problem(context, pattern, free, FitInput::logarithm);
    NetworkOptions options;
    options.levels = 3;
    Network<float> network(context, options, 1);
    Index calls = 0;
    double first = 0;
    const auto report = [&](Index epoch, double misfit) {
      if (++calls == 1) first = misfit;
      CHECK(epoch == calls);
    };
    const auto done = hand_over(context, network, problem.input, pattern.truth, {}, report, go);
    CHECK(done.epochs == calls);
    CHECK(first > 0.5);
    CHECK(done.misfit < 0.1);
  }

  TEST_CASE("interrupted before its first epoch, the result is the given crystal") {
    const auto pattern = crystal_pattern(1);
    RefineOptions o;
    o.fit.network.levels = default_levels(pattern.intensity.extent);
    o.starts = 1;
    o.object = pattern.truth;
    const std::atomic<int> stopped{15};
    const auto r = refine(
        pattern, o, [](const RefineProgress&) {}, stopped);
    CHECK(r.metrics.at("true_error") < 1e-3);
  }

  TEST_CASE("a crystal from elsewhere is centred, its phase removed, its values kept; what does not fit is refused") {
    const auto pattern = crystal_pattern(2);
    const auto& truth = pattern.truth;
    // As PyNX writes it: in the whole array, not in the middle, of any phase.
    Volume<Complex> whole({32, 32, 32});
    for (Index d = 0; d < 16; ++d)
      for (Index h = 0; h < 16; ++h)
        for (Index w = 0; w < 16; ++w) whole(d, h + 9, w + 2) = truth(d, h, w) * std::polar(3.0F, 2.0F);
    const auto object = starting_object(whole, {32, 32, 32});
    CHECK(object.extent == Extent{16, 16, 16});
    const auto aligned = align(object, truth);
    CHECK(aligned.error < 1e-3);
    CHECK(aligned.scale == doctest::Approx(1.0 / 3).epsilon(1e-3));
    for (const double shift : aligned.shift) CHECK(std::abs(shift) < 1.6);  // the truth itself is centred to its box

    CHECK_THROWS_WITH_AS(starting_object(truth, {16, 16, 14}),
                         doctest::Contains("16 x 16 x 16 voxels, the pattern only 16 x 16 x 14"), Error);
    CHECK_THROWS_WITH_AS(starting_object(truth, {16, 16, 16}), doctest::Contains("does not fit into half"), Error);
    CHECK_THROWS_WITH_AS(starting_object(Volume<Complex>({8, 8, 8}), {16, 16, 16}), doctest::Contains("zero everywhere"),
                         Error);
  }

  TEST_CASE("the command: results of iterate, refine and PyNX's kind; wrong shape and missing object are named") {
    const Folder f("start");
    const auto run = [&](const std::string& command) { return fringe::test::fringe(f, command); };
    const auto file = [&](const char* name) { return "'" + (f / name) + "'"; };
    REQUIRE(run("simulate -q -o " + file("c.cxi") + " --size 16 --seed 3").code == 0);
    REQUIRE(run("simulate -q -o " + file("large.cxi") + " --size 24 --seed 3").code == 0);
    REQUIRE(run("iterate -q " + file("c.cxi") + " -o " + file("i.cxi") + " --starts 3").code == 0);
    const std::string quick = " --epochs 20 --width 2 --start-epochs 30 --threads 1 ";
    const auto o = run("refine " + file("c.cxi") + " -o " + file("r.cxi") + quick + "--start " + file("i.cxi") + " --json " +
                       file("r.json"));
    CHECK(o.code == 0);
    CHECK(contains(o.out, "the network came within"));
    CHECK(contains(o.err, "fitting the network to the given crystal"));
    for (const std::string key : {"given_free_llk", "hand_over_epochs", "hand_over_misfit", "start"})
      CHECK(contains(contents(f / "r.json"), "\"" + key + "\": "));
    const auto r = io::read_reconstruction(f / "r.cxi");
    CHECK(r.metrics.at("starts") == 1);
    CHECK(r.configuration.at("initial_phase") == "0");
    CHECK(run("iterate -q " + file("c.cxi") + " -o " + file("ir.cxi") + " --recipe 20*ER --start " + file("r.cxi")).code == 0);
    CHECK(io::read_reconstruction(f / "ir.cxi").metrics.at("chi2") < r.metrics.at("chi2"));

    // Something outside its support, as an algorithm that stops amid HIO leaves it.
    auto object = io::read_object(f / "i.cxi");
    Volume<std::uint32_t> support(object.extent);
    for (std::size_t i = 0; i < object.data.size(); ++i) support.data[i] = object.data[i] != Complex(0);
    object(0, 0, 0) = 1e6F;
    hdf5::write_atomically(f / "pynx.cxi", [&](hid_t h) {
      io::write_volume(h, "/entry_1/image_1/data", object);
      io::write_volume(h, "/entry_1/image_1/mask", support);
    });
    const auto pynx = run("refine -q " + file("c.cxi") + " -o " + file("p.cxi") + quick + "--start " + file("pynx.cxi"));
    CHECK(pynx.code == 0);
    CHECK(io::read_object(f / "p.cxi").data == io::read_object(f / "r.cxi").data);

    const auto refused = [&](const std::string& command, const std::string& start) {
      const auto outcome = run(command + " -q " + file("c.cxi") + " -o " + file("x.cxi") + " --start " + start);
      CHECK(outcome.code == 1);
      return outcome.err;
    };
    hdf5::write_atomically(f / "none.cxi", [&](hid_t h) {
      io::write_volume(h, "/entry_1/image_1/data", Volume<float>({8, 8, 8}, 1));
    });
    for (const std::string command : {"refine", "iterate"}) {
      CHECK(contains(refused(command, file("large.cxi")), "a pattern of 24 x 24 x 24 voxels, this one has 16 x 16 x 16"));
      CHECK(contains(refused(command, file("none.cxi")), "there is no complex object at /entry_1/image_1/data"));
      CHECK(contains(refused(command, file("absent.cxi")), "no such file"));
    }
  }
}

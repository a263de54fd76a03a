// `fringe ensemble` and what is behind it: whole runs.
#include "apps/phasing/ensemble.h"

#include <cmath>
#include <filesystem>

#include "apps/io/cxi.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::string file(const Folder& f, const char* name) { return "'" + (f / name) + "'"; }

void simulate(const Folder& f) {
  REQUIRE(fringe::test::fringe(f, "simulate -q -o " + file(f, "c.cxi") + " --size 16 --seed 3 --photons 1e5").code == 0);
}

}  // namespace

TEST_SUITE("ensemble") {
  TEST_CASE("a start that fails is named and left out; starts under way when it stops are too; the rest is there again") {
    const Folder f("ensemble_run");
    simulate(f);
    const auto pattern = io::read_pattern(f / "c.cxi");
    std::atomic<int> stop{0};
    std::atomic<Index> calls{0};
    const RunStart run = [&](const StartJob& job) {
      ++calls;
      CHECK(contains(job.checkpoint, "starts/running-000"));
      require(job.number != 1, "diverged");
      if (job.number == 3 && calls < 10) stop = 2;
      job.progress(0.5);
      Reconstruction r;
      r.object = pattern.truth;
      r.calculated = pattern.intensity;
      r.pattern = pattern;
      r.metrics = {{"free_llk", 10.0 - static_cast<double>(job.number)},
                   {"chi2", 1},
                   {"best_seed", 100.0 + static_cast<double>(job.number)}};
      return r;
    };
    EnsembleOptions o{.starts = 5, .threads = 1, .folder = f / "starts", .fingerprint = "x"};
    double best = 0;
    const auto progress = [&](const EnsembleProgress& p) { best = p.best; };
    const auto part = run_starts(o, run, progress, stop);
    CHECK(part.members.size() == 2);
    CHECK(part.members[1].seed == 102);
    CHECK(part.failures == std::vector<std::string>{"start 1: diverged"});
    CHECK(best == 8);
    stop = 0;
    calls = 20;
    std::ofstream(f / "starts/start-0003.cxi.1.partial") << "what a killed run leaves";
    std::ofstream(f / "starts/running-0000.h5") << "killed after it had written start 0, before it removed this";
    const auto rest = run_starts(o, run, progress, stop);
    CHECK(calls == 23);  // the failed one, the one cut short, and the one never begun
    CHECK(rest.members.size() == 4);
    CHECK(rest.members[0].object.data == pattern.truth.data);
    CHECK_FALSE(std::filesystem::exists(f / "starts/start-0003.cxi.1.partial"));
    CHECK_FALSE(std::filesystem::exists(f / "starts/running-0000.h5"));
    o.fingerprint = "y";
    CHECK_THROWS_WITH_AS(run_starts(o, run, progress, stop), doctest::Contains("another pattern or with other options"), Error);
  }

  TEST_CASE("the command: table, keys, files, picture; more starts go on from those that are there; wrong usage") {
    const Folder f("ensemble");
    simulate(f);
    const auto o = fringe::test::fringe(f, "ensemble " + file(f, "c.cxi") + " -o " + file(f, "e.cxi") +
                                               " --starts 5 --recipe 60*RAAR+30*ER+5*ML --json " + file(f, "e.json"));
    CHECK(o.code == 0);
    for (const char* text : {"to the best", "true error", "first mode", "PRTF = 1/e", "FSC = 1/2", "5 of 5 starts"})
      CHECK(contains(o.out, text));
    CHECK(contains(o.err, "starts done 5/5"));
    const auto json = contents(f / "e.json");
    for (const std::string key :
         {"chi2", "pearson", "llk", "free_llk", "true_error", "seconds", "epochs", "epochs_per_second", "device", "version", "command", "kept", "mode_weight",
          "median_free_llk", "std_chi2", "prtf_resolution_voxels", "start_free_llk", "start_seed", "recipe"})
      CHECK(contains(json, "\"" + key + "\": "));
    const auto r = io::read_reconstruction(f / "e.cxi");
    CHECK(r.maps.size() == 4);
    CHECK(r.maps.at("phase_std").extent == Extent{8, 8, 8});
    CHECK(r.modes.contains("mode_2"));
    CHECK(r.curves.at("start_free_llk").epoch == std::vector<double>{1, 2, 3, 4, 5});
    CHECK(io::read_reconstruction(f / "e.cxi.starts/start-0004.cxi").metrics.at("best_seed") == 5);

    const auto more = fringe::test::fringe(
        f, "ensemble " + file(f, "c.cxi") + " -o " + file(f, "e.cxi") + " --starts 7 --recipe 60*RAAR+30*ER+5*ML -q");
    CHECK(more.code == 0);
    CHECK(more.out.empty());
    CHECK(io::read_reconstruction(f / "e.cxi").curves.at("start_chi2").value.size() == 7);
    const auto other =
        fringe::test::fringe(f, "ensemble " + file(f, "c.cxi") + " -o " + file(f, "e.cxi") + " --starts 7 --recipe 50*ER -q");
    CHECK(other.code == 1);
    CHECK(contains(other.err, "with other options"));
    const auto show = fringe::test::fringe(f, "show " + file(f, "e.cxi") + " -o " + file(f, "e.png"));
    if (!contains(show.err, "has no Cairo")) {
      CHECK(show.code == 0);
      CHECK(contents(f / "e.png").substr(1, 3) == "PNG");
    }
    for (const std::string usage : {"--starts 0", "--method hio", "--reject -1", "--recipe HIQ", "--modes 0"}) {
      CAPTURE(usage);
      CHECK(fringe::test::fringe(f, "ensemble a.cxi -o b.cxi " + usage).code == 2);
    }
  }

  TEST_CASE("two ranks share the starts and come to what one process comes to") {
    if (!has_mpi()) return;
    const Folder f("ensemble_mpi");
    simulate(f);
    const auto run = [&](const char* name, int starts, const std::string& launcher) {
      return fringe::test::fringe(f, "ensemble " + file(f, "c.cxi") + " -o " + file(f, name) + " --starts " + std::to_string(starts) +
                                         " --recipe 30*RAAR+20*ER --threads 1", launcher);
    };
    CHECK(run("one.cxi", 5, "").code == 0);
    CHECK(run("two.cxi", 2, "").code == 0);  // two starts are there already
    const auto two = run("two.cxi", 5, two_ranks);
    CHECK(two.code == 0);
    CHECK(contains(two.out, "5 of 5 starts"));
    CHECK(contains(two.err, "starts done 4/4"));  // those, and two of the other three
    const auto a = io::read_reconstruction(f / "one.cxi"), b = io::read_reconstruction(f / "two.cxi");
    CHECK(a.object.data == b.object.data);
    CHECK(a.curves.at("start_free_llk").value == b.curves.at("start_free_llk").value);
    CHECK(b.configuration.at("ranks") == "2");
    // Both ranks refuse, and neither waits for the other.
    const auto other = fringe::test::fringe(
        f, "ensemble " + file(f, "c.cxi") + " -o " + file(f, "two.cxi") + " --starts 5 --recipe 20*ER --threads 1", two_ranks);
    CHECK(other.code == 1);
    CHECK(contains(other.err, "with other options"));
  }

  TEST_CASE("networks in bfloat16: the report says so; starts in another precision are not gone on from") {
    const Folder f("ensemble_bf16");
    simulate(f);
    const std::string command = "ensemble " + file(f, "c.cxi") + " -o " + file(f, "e.cxi") + " --method refine --epochs 8 --width 2 --threads 1 -q";
    CHECK(fringe::test::fringe(f, command + " --starts 2 --precision bf16 --json " + file(f, "e.json")).code == 0);
    CHECK(contains(contents(f / "e.json"), "\"precision\": \"bf16\""));
    CHECK(io::read_reconstruction(f / "e.cxi.starts/start-0001.cxi").configuration.at("precision") == "bf16");
    const auto other = fringe::test::fringe(f, command + " --starts 3");
    CHECK(other.code == 1);
    CHECK(contains(other.err, "with other options"));
  }
}

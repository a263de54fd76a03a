// The short form of interrupted_slow_test.cpp; and what is said around it.
#include "tests/apps/interrupted.h"

using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_SUITE("interrupted") {
  TEST_CASE("stopped at a random moment by SIGKILL, SIGTERM or SIGINT, every long command ends as if it had not been") {
    check_interrupted(1, 1, true);
  }

  TEST_CASE("SIGTERM: the result so far is written, exit code 143") {
    const Folder f("terminated");
    REQUIRE(fringe::test::fringe(f, "simulate -q --size 16 --seed 3 -o '" + (f / "c.cxi") + "'").code == 0);
    for (const std::string command :
         {"refine c.cxi -o r.cxi --epochs 100000 --width 2 --threads 1 -q",
          "iterate c.cxi -o r.cxi --starts 10000 --threads 1 -q", "phase c.cxi -o r.cxi --threads 1 -q"}) {
      CAPTURE(command);
      // On a busy machine the signal may come before the program listens to it: then once more, later.
      int code = 0;
      for (double seconds = 0.2; seconds < 60 && !(code == 143 && std::filesystem::exists(f / "r.cxi")); seconds *= 1.3)
        code = run_until(f / "", split_words(command), seconds, SIGTERM);
      CHECK(code == 143);
      CHECK(!numbers_in(f / "r.cxi").empty());
      std::filesystem::remove(f / "r.cxi");
    }
  }

  TEST_CASE("what was kept of other options or another pattern is refused; where nothing was, it says so and begins") {
    const Folder f("kept");
    const std::string here = "cd '" + (f / "") + "' && ";
    const auto run = [&](const std::string& arguments) { return fringe::test::fringe(f, arguments, here); };
    for (const std::string name : {"1", "2"})
      REQUIRE(run("simulate -q --size 16 --photons 1e5 --seed " + name + " -o c" + name + ".cxi").code == 0);
    const std::string checkpoint = " --checkpoint k.h5 --resume";
    for (const std::string command :
         {"refine c1.cxi -o r.cxi --epochs 20 --width 2 --threads 1", "iterate c1.cxi -o r.cxi --starts 1",
          "train -o m.h5 --size 16 --levels 2 --width 2 --samples 16 --batch 8 --validation 8 --epochs 1 --threads "
          "1"}) {
      CAPTURE(command);
      const auto first = run(command + checkpoint);
      CHECK(first.code == 0);
      CHECK(contains(first.err, "k.h5 is not there yet: from the beginning"));
      std::vector<std::string> differences{" --seed 9"};
      if (!command.starts_with("iterate")) differences.push_back(" --precision bf16");
      for (const auto& difference : differences) {
        CAPTURE(difference);
        const auto other = run(command + checkpoint + difference);
        CHECK(other.code == 1);
        CHECK(contains(other.err, "k.h5: the checkpoint is of another"));
      }
      CHECK(run(command + " --resume").code == 2);
      std::filesystem::remove(f / "k.h5");
    }
    for (int attempt = 0; attempt < 50 && !std::filesystem::exists(f / "r.cxi.phase/search/start-0000.cxi"); ++attempt)
      run_until(f / "", split_words("phase c1.cxi -o r.cxi --threads 1 -q"), 0.1 + 0.05 * attempt, SIGKILL);
    const auto other = run("phase c2.cxi -o r.cxi --threads 1");
    CHECK(other.code == 1);
    CHECK(contains(other.err, "is a start on another pattern"));
    const auto same = run("phase c1.cxi -o r.cxi --threads 1");
    CHECK(same.code == 0);
    CHECK(contains(same.out, "going on with what is in r.cxi.phase"));
    CHECK_FALSE(std::filesystem::exists(f / "r.cxi.phase"));
  }
}

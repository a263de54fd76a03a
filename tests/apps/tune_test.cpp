// Which kernels are the fastest, as users meet it: measured by the first run, kept, read by the next one, renewed by --tune.
#include <filesystem>

#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_SUITE("tune") {
  TEST_CASE("the first run measures, the next one reads: equal bit for bit; --tune measures again; rules leave no file") {
    const Folder f("tune");
    REQUIRE(fringe::test::fringe(f, "simulate -q -o '" + (f / "c.cxi") + "' --size 32 --seed 3").code == 0);
    const std::string cache = f / "cache";
    const auto refine = [&](const std::string& choices, const std::string& more = "") {
      const auto o = fringe::test::fringe(f, "refine '" + (f / "c.cxi") + "' -o '" + (f / "r.cxi") + "' --epochs 6 --seeds 1 --width 8 "
                                             "--threads 2 --no-polish -q --device cpu --json '" + (f / "r.json") + "' " + more, "FRINGE_CHOICES='" + choices + "' ");
      CHECK(o.code == 0);
      return o.err;
    };
    const auto kept = [&] {
      std::string text;
      for (const auto& file : std::filesystem::directory_iterator(cache)) text += contents(file.path().string());
      return text;
    };
    // Every digit of them.
    const auto metrics = [&] {
      std::istringstream report(contents(f / "r.json"));
      std::string some;
      for (std::string line; std::getline(report, line);)
        for (const char* name : {"\"chi2", "\"free_llk", "\"llk", "\"pearson", "\"true_error"})
          if (contains(line, name)) some += line + "\n";
      return some;
    };
    CHECK(refine("off").empty());
    CHECK(contains(contents(f / "r.json"), "\"kernels\": \"by rule\""));
    CHECK_FALSE(std::filesystem::exists(cache));

    CHECK(refine(cache).empty());
    const std::string first = kept(), found = metrics();
    CHECK(contains(found, "\"chi2\": 0."));
    CHECK(first.starts_with("fringe choices 1\ndevice "));
    CHECK(contains(first, "separable_backward 1x32x32x32 3x3x3 8-8 float32 on 2 = "));
    CHECK(contains(contents(f / "r.json"), "\"kernels\": \"measured, " + cache + "/cpu_"));
    CHECK(refine(cache).empty());
    CHECK(kept() == first);
    CHECK(metrics() == found);

    // What only a new measurement changes: an algorithm that is none of the candidates.
    const auto path = std::filesystem::directory_iterator(cache)->path().string();
    std::string spoilt = first;
    const auto at = spoilt.find(" = ", spoilt.find("separable_backward")) + 3;
    spoilt.replace(at, spoilt.find('\n', at) - at, "cudnn");
    std::ofstream(path) << spoilt;
    CHECK(refine(cache).empty());
    CHECK(kept() == spoilt);
    CHECK(refine(cache, "--tune").empty());
    CHECK_FALSE(contains(kept(), "cudnn"));

    std::ofstream(path) << "my notes\n";
    CHECK(contains(refine(cache), "fringe: warning: " + path + ", line 1: expected 'fringe choices 1', found 'my notes'"));
    CHECK(contains(refine("/proc/nowhere"), "fringe: warning: /proc/nowhere cannot be written"));
  }
}

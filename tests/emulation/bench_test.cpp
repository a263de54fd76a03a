// `fringe bench --device`: its harness, the network's layers and prediction, iterations and patterns, on the emulated device. What it
// says of times means nothing here; that every row was verified, recorded and replayed does.
#include <doctest/doctest.h>

#include <cstdlib>

#include "apps/cli/commands.h"
#include "tests/apps/files.h"
#include "tests/emulation/counters.h"

using namespace fringe;
using fringe::test::Folder;

namespace {

/// The rows of the table, and how many graphs were launched on the way.
std::string rows(const Folder& folder, std::vector<std::string> arguments, std::size_t& graphs) {
  const std::string csv = folder / "rows.csv";
  setenv("FRINGE_CHOICES", "off", 1);  // nothing is measured, and no file written
  for (const char* more : {"--device", "cuda:0", "-q", "--seconds", "1e-6", "--size", "16", "--width", "1", "--csv"})
    arguments.emplace_back(more);
  arguments.push_back(csv);
  arguments.insert(arguments.begin(), {"fringe", "bench"});
  std::vector<char*> argv;
  for (auto& a : arguments) argv.push_back(a.data());
  const std::size_t before = emulation::counters().graphs;
  CHECK(cli::run(static_cast<int>(argv.size()), argv.data()) == 0);
  graphs = emulation::counters().graphs - before;
  return test::contents(csv);
}

std::size_t lines_with(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

}  // namespace

TEST_SUITE("bench") {
  TEST_CASE("kernels are verified and timed in graphs, in the format that is asked for; arrays that setups write lie on the device") {
    const Folder folder("bench");
    std::size_t graphs = 0;
    std::string csv = rows(folder, {"weighted_sum"}, graphs);
    CHECK(lines_with(csv, "\nweighted_sum_") == 2);
    CHECK(test::contents(folder / "rows.csv").find("cuda:0, emulated device") != std::string::npos);
    if (std::getenv("FRINGE_CUDA_SYNC") == nullptr) CHECK(graphs >= 10);
    CHECK(lines_with(rows(folder, {"roll"}, graphs), "\nroll") == 2);
    csv = rows(folder, {"layers", "--precision", "tf32"}, graphs);
    CHECK(lines_with(csv, "\nlayer_forward") == 42);
    CHECK(lines_with(csv, "convolutions in tf32\n") == 1);
  }

  TEST_CASE("a prediction is one graph; iterations of every algorithm; simulated patterns") {
    const Folder folder("bench");
    std::size_t graphs = 0;
    CHECK(lines_with(rows(folder, {"inference"}, graphs), "\ninference") == 1);
    CHECK(graphs >= 5);
    CHECK(lines_with(rows(folder, {"simulated_pattern"}, graphs), "\nsimulated_pattern") == 1);
  }
}

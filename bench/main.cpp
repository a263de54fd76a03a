// The benchmarks as a program of their own, for builds without `fringe`:
//   fringe_bench [NAME] [--csv FILE] [--seconds S] [--threads N] [--width W] [--size N]
#include <cstdio>
#include <cstdlib>

#include "bench/suite.h"
#include "engine/backend.h"
#include "engine/device.h"

namespace {

using namespace fringe;

int run(int argc, char** argv) {
  bench::BenchOptions options;
  options.threads = available_processors();
  bench::NetworkCase network;
  std::string csv;
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (!option.starts_with("--")) {
      options.filter = option;
      continue;
    }
    require(i + 1 < argc, "{}: a value has to follow", option);
    const std::string text = argv[++i];
    const double value = std::atof(text.c_str());
    require(option == "--csv" || value > 0, "{} {}: expected a number above 0", option, text);
    if (option == "--csv")
      csv = text;
    else if (option == "--seconds")
      options.seconds = value;
    else if (option == "--threads")
      options.threads = static_cast<int>(value);
    else if (option == "--width")
      network.width = static_cast<Index>(value);
    else if (option == "--size")
      network.extent = static_cast<Index>(value);
    else
      fail("{}: there are --csv, --seconds, --threads, --width and --size", option);
  }
  std::printf("%s\n", device_name().c_str());
  bench::Bench bench(default_table(), options);
  bench::run_all(bench, {network});
  require(!bench.rows().empty() || bench.failures() > 0, "no operation's name contains '{}'", options.filter);
  if (!csv.empty()) bench::write_csv(csv, bench, device_name(), version());
  require(bench.failures() == 0, "{} operations differ from the reference", bench.failures());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "fringe_bench: error: %s\n", e.what());
    return 1;
  }
}

// The benchmarks as a program of their own, for builds without `fringe`:
//   fringe_bench [NAME] [--csv FILE] [--seconds S] [--threads N] [--width W] [--size N] [--device cpu|cuda:K]
//                [--precision float32|bf16|tf32|fma]
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
  std::string csv, device = "cpu";
  for (int i = 1; i < argc; ++i) {
    const std::string option = argv[i];
    if (!option.starts_with("--")) {
      options.filter = option;
      continue;
    }
    require(i + 1 < argc, "{}: a value has to follow", option);
    const std::string text = argv[++i];
    const double value = std::atof(text.c_str());
    const bool word = option == "--csv" || option == "--device" || option == "--precision";
    require(word || value > 0, "{} {}: expected a number above 0", option, text);
    if (option == "--csv")
      csv = text;
    else if (option == "--device")
      device = text;
    else if (option == "--precision")
      options.precision_name = text;
    else if (option == "--seconds")
      options.seconds = value;
    else if (option == "--threads")
      options.threads = static_cast<int>(value);
    else if (option == "--width")
      network.width = static_cast<Index>(value);
    else if (option == "--size")
      network.extent = static_cast<Index>(value);
    else
      fail("{}: there are --csv, --seconds, --threads, --width, --size, --device and --precision", option);
  }
  std::string why_cpu;
  const Backend backend = choose_backend(device, why_cpu);
  if (!why_cpu.empty()) std::fprintf(stderr, "fringe_bench: no GPU is used, the CPU is: %s\n", why_cpu.c_str());
  if (const std::string warning = choose_kernels(backend, false); !warning.empty())
    std::fprintf(stderr, "fringe_bench: warning: %s\n", warning.c_str());
  options.precision = bench::bench_precision(options.precision_name, backend);
  std::printf("%s\n", backend.name().c_str());
  bench::Bench bench(backend, options);
  bench::run_all(bench, {network});
  require(!bench.rows().empty() || bench.failures() > 0, "no operation's name contains '{}'", options.filter);
  if (!csv.empty()) bench::write_csv(csv, bench, version());
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

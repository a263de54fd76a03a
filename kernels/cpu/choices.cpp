#include "kernels/cpu/choices.h"

#include <cctype>
#include <chrono>

#include <fmt/core.h>

#include "kernels/cpu/convolution_tiles.h"
#include "kernels/libraries.h"

namespace fringe::cpu {
namespace {

/// To be raised when there are other candidates for some work than before: what was kept is then measured again.
constexpr int candidates = 2;

/// As many runs as take 2 ms.
double seconds(const Stream&, const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  constexpr double long_enough = 2e-3;
  const auto start = Clock::now();
  for (int runs = 1;; ++runs) {
    run();
    const double elapsed = std::chrono::duration<double>(Clock::now() - start).count();
    if (elapsed >= long_enough) return elapsed / runs;
  }
}

}  // namespace

Chooser& chooser() {
  static Chooser the_one({[](const Stream&) { return true; }, seconds});
  return the_one;
}

void measure_kernels(const std::string& machine, const std::string& folder, bool renew) {
  std::string name = machine.substr(0, machine.find(','));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  const std::string device = fmt::format("{}{}, candidates {}", machine, tiles_available() ? ", tiles" : "", candidates);
  chooser().measure(device, folder.empty() ? "" : folder + "/cpu_" + name + ".txt", renew);
}

std::string kernel_choice() { return chooser().described(); }

}  // namespace fringe::cpu

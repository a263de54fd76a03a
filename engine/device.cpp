#include "engine/device.h"

#include "engine/checkpoint.h"
#include "engine/ranks.h"

#include <fftw3.h>
#include <fmt/core.h>
#include <hwy/highway.h>

#ifdef __linux__
#include <sched.h>
#endif

#include <algorithm>
#include <fstream>
#include <thread>

namespace fringe {

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

int available_processors() {
#ifdef __linux__
  cpu_set_t set;  // 1024 processors; where there are more the call fails
  if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

namespace {
std::string model_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "CPU";
}
std::string best_instruction_set() {
  const auto sets = instruction_sets();
  return sets.empty() ? "scalar" : sets.front();
}
}  // namespace

std::string processor_name() { return fmt::format("{}, {}", model_name(), best_instruction_set()); }

std::string device_name() {
  return fmt::format("{}, {} processors, {}", model_name(), available_processors(), best_instruction_set());
}

std::string version() { return FRINGE_VERSION; }

std::vector<std::string> library_versions() {
  std::vector<std::string> versions{
      fftwf_version, fmt::format("Highway {}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH),
      fmt::format("fmt {}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)};
  for (const auto& optional : {Checkpoint::library(), Ranks::library()})
    if (!optional.empty()) versions.push_back(optional);
  return versions;
}

}  // namespace fringe

#include "engine/device.h"

#include "engine/ranks.h"

#include <fftw3.h>
#include <fmt/core.h>
#include <hdf5.h>
#include <hwy/highway.h>

#include <fstream>
#include <thread>

namespace fringe {

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const auto target : hwy::SupportedAndGeneratedTargets()) names.emplace_back(hwy::TargetName(target));
  return names;
}

std::string device_name() {
  std::string model = "CPU";
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  const auto sets = instruction_sets();
  return fmt::format("{}, {} threads, {}", model, std::thread::hardware_concurrency(),
                     sets.empty() ? "scalar" : sets.front());
}

std::string version() { return FRINGE_VERSION; }

std::vector<std::string> library_versions() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  std::vector<std::string> versions{
      fmt::format("HDF5 {}.{}.{}", major, minor, release), fftwf_version,
      fmt::format("Highway {}.{}.{}", HWY_MAJOR, HWY_MINOR, HWY_PATCH),
      fmt::format("fmt {}.{}.{}", FMT_VERSION / 10000, FMT_VERSION / 100 % 100, FMT_VERSION % 100)};
  if (const auto mpi = Ranks::library(); !mpi.empty()) versions.push_back(mpi);
  return versions;
}

}  // namespace fringe

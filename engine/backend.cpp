#include "engine/backend.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "engine/device.h"
#include "kernels/libraries.h"

namespace fringe {
namespace {

/// K of "cuda:K"; 0 for "cuda"; -1 for anything else.
int cuda_index(std::string_view request) {
  if (request == "cuda") return 0;
  if (!request.starts_with("cuda:")) return -1;
  const std::string_view digits = request.substr(5);
  const bool number = !digits.empty() && digits.size() <= 3 &&
                      std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  return number ? std::atoi(std::string(digits).c_str()) : -1;
}

Backend cuda_backend(int index) {
  const Device& device = cuda::device(index);  // first: it says why not
  return {&cuda::table(), &device, index};
}

/// Where programs keep what they can make again; empty where there is no such place.
std::string cache_folder() {
  for (const auto& [variable, below] : {std::pair{"XDG_CACHE_HOME", "/fringe"}, {"HOME", "/.cache/fringe"}})
    if (const char* folder = std::getenv(variable); folder != nullptr && *folder != '\0') return std::string(folder) + below;
  return {};
}

}  // namespace

const KernelTable<float>& default_table() {
  const char* wanted = std::getenv("FRINGE_BACKEND");
  const std::string_view name = wanted ? wanted : "cpu";
  if (name == "cpu") return cpu::table();
  if (name == "reference") return reference::table<float>();
  fail("FRINGE_BACKEND={}: the backends for the host are reference and cpu; --device chooses a GPU", name);
}

std::string Backend::name() const {
  if (index < 0) return device_name();
  std::string why_none;
  for (const auto& d : cuda::devices(why_none))
    if (d.index == index) {
      cuda::device(index);  // asking for all has made the last the one in use
      return fmt::format("cuda:{}, {}", index, d.name);
    }
  return fmt::format("cuda:{}", index);
}

bool is_backend_request(const std::string& request) {
  return request == "auto" || request == "cpu" || cuda_index(request) >= 0;
}

Backend choose_backend(const std::string& request, std::string& why_cpu) {
  why_cpu.clear();
  if (request == "cpu") return {};
  if (request == "auto") {
    if (const char* forced = std::getenv("FRINGE_BACKEND")) {
      why_cpu = fmt::format("FRINGE_BACKEND={}", forced);
      return {};
    }
    std::string why_none;
    const auto devices = cuda::devices(why_none);
    if (!devices.empty()) return cuda_backend(devices.front().index);
    why_cpu = why_none;
    return {};
  }
  const int index = cuda_index(request);
  require(index >= 0, "device '{}': expected auto, cpu or cuda:K", request);
  return cuda_backend(index);
}

std::string choose_kernels(const Backend& backend, bool renew) {
  const char* wanted = std::getenv("FRINGE_CHOICES");
  const std::string how = wanted != nullptr ? wanted : "";
  if (how == "off") return {};
  if (how == "cudnn") {
    cuda::prefer_cudnn();
    return {};
  }
  const std::string folder = wanted != nullptr ? how : cache_folder();
  try {
    if (backend.index >= 0)
      cuda::measure_kernels(backend.index, folder, renew);
    else
      cpu::measure_kernels(fmt::format("{}, fringe {}", processor_name(), version()), folder, renew);
  } catch (const Error& e) {
    return e.what();
  }
  return {};
}

}  // namespace fringe

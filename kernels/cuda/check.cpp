#include "kernels/cuda/check.h"

#include <array>
#include <cstdlib>
#include <set>
#include <string_view>

#include "kernels/error.h"

namespace fringe::cuda {
namespace {

// The latest kernels, in a ring. One host thread uses one device: the engine's rule for streams.
struct Launches {
  std::array<const char*, 16> names{};
  std::size_t count = 0;
};
thread_local Launches launches;

struct Record {
  bool open = false;
  std::size_t kernels = 0;
  std::set<std::string_view> names;
};
thread_local Record record;

void remember(const char* name) { launches.names[launches.count++ % launches.names.size()] = name; }

}  // namespace

bool launches_are_waited_for() {
  static const bool wanted = [] {
    const char* value = std::getenv("FRINGE_CUDA_SYNC");
    return value != nullptr && std::string_view(value) != "0";
  }();
  return wanted;
}

void begin_record() {
  record = {};
  record.open = true;
}

const char* end_of_record() {
  // Kept to the end: an error that comes late may still name a graph that is gone. There are as many as kinds of steps.
  static std::set<std::string> descriptions;
  std::string names;
  for (const std::string_view name : record.names) names += (names.empty() ? "" : ", ") + std::string(name);
  const auto kept = descriptions.insert(fmt::format("a recorded step of {} kernels ({})", record.kernels, names)).first;
  record = {};
  return kept->c_str();
}

void replayed(const char* step) { remember(step); }

std::string suspects() {
  std::string text;
  const std::size_t size = launches.names.size(), first = launches.count > size ? launches.count - size : 0;
  for (std::size_t i = first; i < launches.count; ++i)
    text += (text.empty() ? "" : ", ") + std::string(launches.names[i % size]);
  return text;
}

void waited() { launches.count = 0; }

void check(cudaError_t status, const char* tried, std::source_location where) {
  if (status == cudaSuccess) [[likely]]
    return;
  cudaGetLastError();  // reported here: the next launch is not to find it
  std::string_view file = where.file_name();
  file = file.substr(file.rfind('/') + 1);
  std::string blame = suspects();
  if (!blame.empty()) blame = "; kernels launched since the last wait, the latest last: " + blame;
  if (!blame.empty() && !launches_are_waited_for()) blame += " (FRINGE_CUDA_SYNC=1 finds out which of them)";
  fail<DeviceError>("cuda: {} failed: {} ({}, {}:{}){}", tried, cudaGetErrorString(status), cudaGetErrorName(status), file, where.line(),
       blame);
}

void launched(const char* kernel, cudaStream_t queue) {
  if (record.open)
    ++record.kernels, record.names.insert(kernel);
  else
    remember(kernel);
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) [[unlikely]]
    fail<DeviceError>("cuda: launch of {} failed: {} ({})", kernel, cudaGetErrorString(status), cudaGetErrorName(status));
  if (launches_are_waited_for()) [[unlikely]] {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(queue, &capture), "query of the queue");
    if (capture != cudaStreamCaptureStatusNone) return;  // captured work has not run: there is nothing to wait for
    if (const cudaError_t status = cudaStreamSynchronize(queue); status != cudaSuccess)
      fail<DeviceError>("cuda: {} failed: {} ({})", kernel, cudaGetErrorString(status), cudaGetErrorName(status));
  }
}

}  // namespace fringe::cuda

#include "kernels/cuda/check.h"

#include <array>
#include <cstdlib>
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

bool wait_after_launch() {
  static const bool wanted = [] {
    const char* value = std::getenv("FRINGE_CUDA_SYNC");
    return value != nullptr && std::string_view(value) != "0";
  }();
  return wanted;
}

}  // namespace

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
  if (!blame.empty() && !wait_after_launch()) blame += " (FRINGE_CUDA_SYNC=1 finds out which of them)";
  fail("cuda: {} failed: {} ({}, {}:{}){}", tried, cudaGetErrorString(status), cudaGetErrorName(status), file, where.line(),
       blame);
}

void launched(const char* kernel, cudaStream_t queue) {
  launches.names[launches.count++ % launches.names.size()] = kernel;
  if (const cudaError_t status = cudaGetLastError(); status != cudaSuccess) [[unlikely]]
    fail("cuda: launch of {} failed: {} ({})", kernel, cudaGetErrorString(status), cudaGetErrorName(status));
  if (wait_after_launch()) [[unlikely]] {
    cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(queue, &capture), "query of the queue");
    if (capture != cudaStreamCaptureStatusNone) return;  // captured work has not run: there is nothing to wait for
    if (const cudaError_t status = cudaStreamSynchronize(queue); status != cudaSuccess)
      fail("cuda: {} failed: {} ({})", kernel, cudaGetErrorString(status), cudaGetErrorName(status));
  }
}

}  // namespace fringe::cuda

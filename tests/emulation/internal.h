// Between the files of the emulation.
#pragma once
#include <functional>
#include <vector>

#include "tests/emulation/emulation.h"

namespace emulation {

/// An environment variable as a number.
int setting(const char* name, int otherwise);

/// memset and memcpy that the sanitizers do not see.
void unseen_fill(void* to, unsigned char byte, std::size_t bytes);
void unseen_copy(void* to, const void* from, std::size_t bytes);

/// While one lives, device memory may be touched; otherwise the host that touches it dies with a message.
class DeviceMemoryOpen {
 public:
  DeviceMemoryOpen();
  ~DeviceMemoryOpen();
  DeviceMemoryOpen(const DeviceMemoryOpen&) = delete;
  DeviceMemoryOpen& operator=(const DeviceMemoryOpen&) = delete;
};

/// Fails unless these bytes lie in one live allocation.
void require_device_range(const void* p, std::size_t bytes, const char* what);

struct SharedArray {
  char* data;
  std::size_t bytes;
};
const std::vector<SharedArray>& static_shared_arrays();

/// Runs all threads of all blocks now (block.cpp).
void run_grid(const char* name, dim3 grid, dim3 size, std::size_t shared_bytes, const std::function<void()>& body);

/// Has `work` done in the order of the stream, as late as CUDA allows (runtime.cpp).
void enqueue(cudaStream_t stream, std::function<void()> work);

}  // namespace emulation

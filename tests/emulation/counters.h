// What tests ask of the emulated device, and tell it to be. No CUDA here: any test may include it.
#pragma once
#include <cstddef>
#include <limits>
#include <string>

namespace emulation {

/// Counted since the program began; tests look at differences.
struct Counters {
  std::size_t kernels = 0;        ///< launched or captured one by one
  std::size_t graphs = 0;         ///< graph launches
  std::size_t allocations = 0;    ///< cudaMalloc
  std::size_t frees = 0;
  std::size_t waits = 0;          ///< the host waited: a synchronisation, or a copy to unpinned memory
  std::size_t copies = 0;         ///< cudaMemcpy of any kind
};
const Counters& counters();

/// The device as the program sees it; the emulated one is there, and has 8 GB.
struct Machine {
  int driver_error = 0;  ///< what cudaGetDeviceCount returns instead of success: 35 is a missing or old driver
  int driver_version = 13000;  ///< what the driver says it supports, as 1000 major + 10 minor; 0: there is none
  int devices = 1;
  int capability = 90;
  std::size_t memory = std::size_t{8} << 30;
  std::size_t allocations = std::numeric_limits<std::size_t>::max();  ///< that still succeed
  bool fft = true;       ///< cuFFT is installed
  int kernel_error = 0;  ///< the next kernel that runs "fails" with this cudaError_t, as an asynchronous error
  std::string failing_kernel;  ///< the next whose name contains this
};
Machine& machine();
/// A machine as it was at the beginning. (After an asynchronous error a real one needs a new process.)
void repair();

}  // namespace emulation

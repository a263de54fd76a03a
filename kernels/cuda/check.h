// CUDA's error codes as fringe::Error, with the kernel that is to blame.
#pragma once
#include <cuda_runtime_api.h>

#include <source_location>
#include <string>

namespace fringe::cuda {

/// Throws DeviceError unless `status` is cudaSuccess: what was tried ("copy to the device"), CUDA's words, and the place.
/// Kernels fail after their launch has returned, so the message lists the kernels launched since the last wait that
/// succeeded: one of them failed. With FRINGE_CUDA_SYNC=1 every launch is waited for, and the message names the one.
void check(cudaError_t status, const char* tried, std::source_location where = std::source_location::current());

/// Called after every launch: throws when the launch was refused, and remembers the kernel's name for `check`.
void launched(const char* kernel, cudaStream_t queue);

/// Whether FRINGE_CUDA_SYNC asks for a wait after every launch.
bool launches_are_waited_for();

/// From here to end_of_record() kernels are recorded, not run, and not to blame for anything. The end returns what to say of
/// all of them; replayed() says it, of a graph that has been launched.
void begin_record();
const char* end_of_record();
void replayed(const char* record);

/// Called after every wait that succeeded: the kernels launched before it are not to blame for later errors.
void waited();

/// The kernels launched since the last successful wait, the latest last (at most 16).
std::string suspects();

}  // namespace fringe::cuda

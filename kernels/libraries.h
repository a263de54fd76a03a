// NVIDIA's libraries that are used where they are there, and the choice between their kernels and ours.
#pragma once
#include <string>

namespace fringe::cuda {

/// From now on, where several kernels can do the same, the fastest is measured once for each shape that comes, and kept in a
/// file of this device in `folder` (empty: nowhere). With `renew` what is there does not count. Throws Error when that file is
/// none of ours; it measures all the same.
void measure_kernels(int index, const std::string& folder, bool renew);

/// "cuDNN 9.12.0", or "no cuDNN: libcudnn.so.9 was not found"; empty in a build without the CUDA backend.
std::string optional_libraries();

}  // namespace fringe::cuda

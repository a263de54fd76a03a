// The choice between kernels that do the same, and NVIDIA's libraries, which are used where they are there.
#pragma once
#include <string>

namespace fringe {

namespace cpu {
/// From now on, where several kernels can do the same, the fastest is measured once for each shape that comes, and kept in a
/// file of this machine in `folder` (empty: nowhere), where `machine` begins with the processor's name. With `renew` what is
/// there does not count. Throws Error when that file is none of ours or cannot be written; it measures all the same.
void measure_kernels(const std::string& machine, const std::string& folder, bool renew);
/// "by rule", "measured", or with the file.
std::string kernel_choice();
}  // namespace cpu

namespace cuda {

/// The same on a device.
void measure_kernels(int index, const std::string& folder, bool renew);

/// From now on convolutions go through cuDNN wherever it can do them, and nothing is measured: to compare.
void prefer_cudnn();

/// "cuDNN 9.12.0", or "no cuDNN: libcudnn.so.9 was not found"; empty in a build without the CUDA backend.
std::string optional_libraries();

}  // namespace cuda

}  // namespace fringe

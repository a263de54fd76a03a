// Stands in for this folder in builds without the CUDA backend, so that the layers above need not know.
#include "kernels/device.h"
#include "kernels/libraries.h"
#include "kernels/table.h"

namespace fringe::cuda {

bool in_build() { return false; }

std::vector<DeviceInfo> devices(std::string& why_none) {
  why_none = "this build has no CUDA backend";
  return {};
}

const Device& device(int index) {
  fail("cuda:{}: this build has no CUDA backend; build with -DFRINGE_CUDA=ON, or use --device cpu", index);
}

void measure_kernels(int, const std::string&, bool) {}
void prefer_cudnn() {}
std::string optional_libraries() { return {}; }

const KernelTable<float>& table() { fail("cuda: this build has no CUDA backend"); }

}  // namespace fringe::cuda

// Stands in for cudnn.cpp in builds on a machine without cuDNN's headers.
#include "kernels/cuda/cudnn.h"

namespace fringe::cuda::cudnn {

bool can(const Convolution&) { return false; }
std::size_t workspace(const Convolution&) { return 0; }
void run(Stream&, const Convolution&, const float*, const float*, float*, void*) { fail("cuDNN: this build is without"); }
void plan_for_device(const std::string&) { fail("cuDNN: this build is without"); }
std::string version(std::string& why_none) {
  why_none = "this build is without";
  return {};
}

}  // namespace fringe::cuda::cudnn

// NVIDIA's cuDNN itself, where it is installed, asked without a GPU: is what kernels/cuda/cudnn.cpp says to it understood, and has an
// H200 a plan for the convolutions of the network?
#include <doctest/doctest.h>

#include "kernels/cuda/cudnn.h"
#include "kernels/error.h"

using namespace fringe;

namespace {

/// By CUDA's programming guide (compute capability 9.0) and the data sheet. Clocks in kHz.
constexpr const char* h200 = R"({"deviceName": "NVIDIA H200", "deviceVer": 900, "driverVer": 13000, "cudaDeviceId": 0,
  "maxGridSize": [2147483647, 65535, 65535], "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 132,
  "warpSize": 32, "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
  "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048, "pciDeviceId": 0,
  "isTccDriver": 0, "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 3201000, "l2CacheSize": 62914560,
  "totalGlobalMem": 150000000000})";

}  // namespace

TEST_CASE("cuDNN has a plan on an H200 for every product of the network's convolutions, in tf32 and float32") {
  try {
    cuda::cudnn::plan_for_device(h200);
  } catch (const Error& error) {
    MESSAGE("left out: " << error.what());
    return;
  }
  struct Layer {
    Index extent;
    Shape kernel;
  };
  for (const auto& layer : {Layer{64, {3, 3, 3, 1, 32}}, Layer{64, {3, 1, 1, 32, 32}}, Layer{32, {3, 3, 3, 32, 64}},
                            Layer{16, {1, 1, 3, 128, 128}}, Layer{8, {3, 3, 3, 128, 256}}, Layer{32, {3, 3, 3, 32, 1}}})
    for (const auto pass : {cuda::cudnn::Pass::forward, cuda::cudnn::Pass::data, cuda::cudnn::Pass::weights})
      for (const bool tf32 : {false, true}) {
        CAPTURE(layer.kernel.str());
        const Shape volume{1, layer.extent, layer.extent, layer.extent, 1};
        const cuda::cudnn::Convolution c{pass, volume, layer.kernel, tf32};
        CHECK(cuda::cudnn::can(c));
        CHECK(cuda::cudnn::workspace(c) <= std::size_t{512} << 20);
      }
}

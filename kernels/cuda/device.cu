// Memory, queues and choice of CUDA devices: kernels/device.h over the CUDA runtime, which is linked statically and finds
// the driver at run time.
#include "kernels/device.h"

#include "kernels/cuda/launch.cuh"

namespace fringe::cuda {
namespace {

__global__ void fill_kernel(float* to, float value, Index n) {
  for (Index i = global_thread(); i < n; i += global_threads()) to[i] = value;
}

constexpr int oldest_capability = 8;  // Ampere: mma.sync on bfloat16, cp.async

cudaStream_t stream_of(void* queue) { return static_cast<cudaStream_t>(queue); }

std::string device_name(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "query of the device");
  return properties.name;
}

std::byte* allocate(std::size_t bytes) {
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // this error is dealt with
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "query of the free memory");
    fail("out of device memory: {} MB asked for, {} MB of {} MB free; use a smaller --width or pattern, or --device cpu",
         (bytes >> 20) + 1, free >> 20, total >> 20);
  }
  check(status, "allocation of device memory");
  return static_cast<std::byte*>(memory);
}

void* open_queue() {
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return stream;
}

void wait(void* queue) {
  check(cudaStreamSynchronize(stream_of(queue)), "wait for the device");
  waited();
}

void upload(void* queue, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(queue)), "copy to the device");
}

void download(void* queue, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(queue)), "copy from the device");
  wait(queue);
}

void copy(void* queue, void* to, const void* from, std::size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_of(queue)), "copy on the device");
}

constexpr Device cuda_device{
    .name = "cuda",
    .host_memory = false,
    .allocate = allocate,
    .release = [](std::byte* memory) noexcept { cudaFree(memory); },
    .open_queue = open_queue,
    .close_queue = [](void* queue) noexcept { cudaStreamDestroy(stream_of(queue)); },
    .wait = wait,
    .upload = upload,
    .download = download,
    .copy = copy,
    .fill =
        [](void* queue, float* to, float value, std::size_t count) {
          const auto n = static_cast<Index>(count);
          LAUNCH(fill_kernel, grid_for(n, 256), 256, 0, stream_of(queue), to, value, n);
        },
};

/// Empty when this program can use the device, else why not.
std::string unusable(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "query of the device");
  if (properties.major < oldest_capability)
    return fmt::format("{} has compute capability {}.{}, at least {}.0 is needed", properties.name, properties.major,
                       properties.minor, oldest_capability);
  check(cudaSetDevice(index), "choice of the device");
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(fill_kernel)) != cudaSuccess) {
    cudaGetLastError();
    return fmt::format("this build has no kernels for {} (compute capability {}.{}); rebuild with -DFRINGE_CUDA_ARCHITECTURES={}{}",
                       properties.name, properties.major, properties.minor, properties.major, properties.minor);
  }
  return "";
}

/// Devices the driver knows; 0 with a reason.
int count_devices(std::string& why_none) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  why_none = status == cudaErrorInsufficientDriver ? "no CUDA driver, or one too old for this build"
             : status == cudaSuccess               ? "no CUDA device"
                                                   : cudaGetErrorString(status);
  return 0;
}

}  // namespace

std::vector<DeviceInfo> devices(std::string& why_none) {
  std::vector<DeviceInfo> usable;
  try {
    const int count = count_devices(why_none);
    for (int i = 0; i < count; ++i)
      if (std::string why = unusable(i); why.empty())
        usable.push_back({i, device_name(i)});
      else
        why_none = why;
  } catch (const Error& error) {
    why_none = error.what();
    usable.clear();
  }
  return usable;
}

const Device& device(int index) {
  std::string why;
  const int count = count_devices(why);
  require(count > 0, "cuda:{}: {}; use --device cpu", index, why);
  require(index >= 0 && index < count, "cuda:{}: there are {} CUDA devices, counted from 0", index, count);
  why = unusable(index);
  require(why.empty(), "cuda:{}: {}", index, why);
  return cuda_device;
}

}  // namespace fringe::cuda

// Memory, queues and choice of CUDA devices: kernels/device.h over the CUDA runtime, which is linked statically and finds
// the driver at run time.
#include "kernels/device.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "kernels/cuda/choices.h"
#include "kernels/cuda/cudnn.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/libraries.h"
#include "kernels/libraries.h"

namespace fringe::cuda {
namespace {

__global__ void fill_kernel(float* to, float value, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) to[i] = value;
}

// Numbers and places travel as the kernel's parameters.
struct Numbers {
  float v[Device::few];
};
struct Places {
  const float* v[Device::few];
};
__global__ void put_kernel(const __grid_constant__ Numbers values, float* to) {
  begin_kernel();
  to[threadIdx.x] = values.v[threadIdx.x];
}
__global__ void gather_kernel(const __grid_constant__ Places from, float* to) {
  begin_kernel();
  to[threadIdx.x] = *from.v[threadIdx.x];
}

DeviceCounters device_counters;
bool kernels_wait_for_one_another = false;  ///< on the device that was chosen

constexpr int oldest_capability = 8;  // Ampere: mma.sync on bfloat16, cp.async

cudaStream_t stream_of(void* queue) { return static_cast<cudaStream_t>(queue); }

std::string device_name(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "query of the device");
  return properties.name;
}

std::byte* allocate(std::size_t bytes) {
  ++device_counters.allocations;
  void* memory = nullptr;
  const cudaError_t status = cudaMalloc(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // this error is dealt with
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total), "query of the free memory");
    fail<OutOfMemory>(
        "out of device memory: {} MB asked for, {} MB of {} MB free; use a smaller --width, --micro-batch or pattern, or "
        "--device cpu",
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
  ++device_counters.waits;
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

void put(void* queue, float* to, const float* values, std::size_t count) {
  require(count >= 1 && count <= Device::few, "cuda: put of {} numbers, 1 to {} are possible", count, Device::few);
  Numbers numbers{};
  std::copy(values, values + count, numbers.v);
  LAUNCH(put_kernel, 1, static_cast<unsigned>(count), 0, stream_of(queue), numbers, to);
}

void gather(void* queue, float* to, const float* const* from, std::size_t count) {
  require(count >= 1 && count <= Device::few, "cuda: gather of {} numbers, 1 to {} are possible", count, Device::few);
  Places places{};
  std::copy(from, from + count, places.v);
  LAUNCH(gather_kernel, 1, static_cast<unsigned>(count), 0, stream_of(queue), places, to);
}

cudaEvent_t event_of(void* mark) { return static_cast<cudaEvent_t>(mark); }

void* make_mark() {
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  return event;
}

void pass_mark(void* mark) {
  cudaError_t status = cudaEventQuery(event_of(mark));
  if (status == cudaErrorNotReady) {
    cudaGetLastError();  // no error, but the runtime keeps it as one
    ++device_counters.holds;
    status = cudaEventSynchronize(event_of(mark));
  }
  check(status, "wait for an event");
}

std::byte* allocate_staging(std::size_t bytes) {
  ++device_counters.allocations;
  void* memory = nullptr;
  const cudaError_t status = cudaMallocHost(&memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    fail<OutOfMemory>("out of page-locked host memory: {} MB asked for; use a smaller --micro-batch", (bytes >> 20) + 1);
  }
  check(status, "allocation of page-locked memory");
  return static_cast<std::byte*>(memory);
}

struct Graph {
  cudaGraphExec_t executable = nullptr;
  const char* kernels = "";  ///< for errors
};

void begin_capture(void* queue) {
  check(cudaStreamBeginCapture(stream_of(queue), cudaStreamCaptureModeThreadLocal), "begin of a capture");
  begin_record();
}

void* end_capture(void* queue) {
  const char* const kernels = end_of_record();
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(stream_of(queue), &graph), "end of a capture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "making a graph");
  return new Graph{executable, kernels};
}

void replay(void* queue, void* graph) {
  ++device_counters.replays;
  const auto* g = static_cast<Graph*>(graph);
  replayed(g->kernels);
  check(cudaGraphLaunch(g->executable, stream_of(queue)), "launch of a recorded step");
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
    .put = put,
    .gather = gather,
    .make_mark = make_mark,
    .destroy_mark = [](void* mark) noexcept { cudaEventDestroy(event_of(mark)); },
    .set_mark = [](void* queue, void* mark) { check(cudaEventRecord(event_of(mark), stream_of(queue)), "record of an event"); },
    .await_mark =
        [](void* queue, void* mark) { check(cudaStreamWaitEvent(stream_of(queue), event_of(mark), 0), "wait of a stream"); },
    .pass_mark = pass_mark,
    .allocate_staging = allocate_staging,
    .release_staging = [](std::byte* memory) noexcept { cudaFreeHost(memory); },
    .upload_staged = upload,  // which returns at once where the memory is page-locked
    .begin_capture = begin_capture,
    .end_capture = end_capture,
    .replay = replay,
    .destroy_graph =
        [](void* graph) noexcept {
          auto* g = static_cast<Graph*>(graph);
          cudaGraphExecDestroy(g->executable);
          delete g;
        },
    .counters = []() -> DeviceCounters& { return device_counters; },
};
/// For FRINGE_CUDA_SYNC=1: of a recorded step nobody can say which kernel failed.
constexpr Device cuda_device_kernel_by_kernel = [] {
  Device d = cuda_device;
  d.begin_capture = nullptr, d.end_capture = nullptr, d.replay = nullptr, d.destroy_graph = nullptr;
  return d;
}();

/// The capability (90: 9.0) for which the code was compiled that the driver takes for the current device; none when there is none for it.
std::optional<int> version_of_code() {
  cudaFuncAttributes attributes{};
  if (cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(fill_kernel)) == cudaSuccess) return attributes.ptxVersion;
  cudaGetLastError();
  return {};
}

/// Empty when this program can use the device, else why not.
std::string unusable(int index) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "query of the device");
  if (properties.major < oldest_capability)
    return fmt::format("{} has compute capability {}.{}, at least {}.0 is needed", properties.name, properties.major,
                       properties.minor, oldest_capability);
  check(cudaSetDevice(index), "choice of the device");
  if (!version_of_code())
    return fmt::format("this build has no kernels for {} (compute capability {}.{}); rebuild with -DFRINGE_CUDA_ARCHITECTURES={}{}",
                       properties.name, properties.major, properties.minor, properties.major, properties.minor);
  try {
    fft_library();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The runtime says the same of a driver that is missing and of one that is too old.
std::string driver_trouble() {
  constexpr int needed = CUDART_VERSION / 1000;
  const int found = driver_version();
  if (found == 0) return "no NVIDIA driver (libcuda.so.1 was not found)";
  return fmt::format("the NVIDIA driver is too old: it supports CUDA {}.{}, this build needs {}.0", found / 1000,
                     found % 1000 / 10, needed);
}

/// Devices the driver knows; 0 with a reason.
int count_devices(std::string& why_none) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  cudaGetLastError();
  why_none = status == cudaErrorInsufficientDriver                    ? driver_trouble()
             : status == cudaSuccess || status == cudaErrorNoDevice ? "the NVIDIA driver finds no CUDA device"
                                                                      : cudaGetErrorString(status);
  return 0;
}

}  // namespace

bool in_build() { return true; }

bool kernels_come_early() { return kernels_wait_for_one_another; }

std::string optional_libraries() {
  std::string why;
  const std::string cudnn = cudnn::version(why);
  return cudnn.empty() ? "no cuDNN: " + why : "cuDNN " + cudnn;
}

void measure_kernels(int index, const std::string& folder, bool renew) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "query of the device");
  const std::string described = fmt::format("{}, capability {}.{}, driver {}, runtime {}, {}", properties.name, properties.major,
                                            properties.minor, driver_version(), CUDART_VERSION, optional_libraries());
  std::string name = properties.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  chooser().measure(described, folder.empty() ? "" : folder + "/cuda_" + name + ".txt", renew);
}

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
  require(why.empty(), "cuda:{}: {}; use --device cpu", index, why);
  kernels_wait_for_one_another = version_of_code() >= 90;
  return launches_are_waited_for() ? cuda_device_kernel_by_kernel : cuda_device;
}

}  // namespace fringe::cuda

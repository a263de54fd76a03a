// Kernels that show what the emulation does, and kernels with one bug each that it has to find.
#include "tests/emulation/emulation_kernels.h"

#include <cuda_bf16.h>

#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ptx.cuh"
#include "kernels/cuda/reduce.cuh"

namespace emulation::kernels {
namespace {

namespace ptx = fringe::cuda::ptx;
using fringe::cuda::check;

__global__ void twice_kernel(const float* x, float* y, Index n) {
  const Index i = fringe::cuda::global_thread();
  if (i < n) y[i] = 2 * x[i];
}

__global__ void product_bf16_kernel(const float* a, const float* b, float* y) {
  __shared__ __align__(16) unsigned short sa[16][16], sb[16][8];
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  for (int i = lane; i < 256; i += 32) sa[i / 16][i % 16] = __bfloat16_as_ushort(__float2bfloat16(a[i]));
  for (int i = lane; i < 128; i += 32) sb[i / 8][i % 8] = __bfloat16_as_ushort(__float2bfloat16(b[i]));
  __syncthreads();
  std::uint32_t fa[4], fb[2];
  ptx::load_matrix_x4(fa, &sa[lane % 16][lane / 16 * 8]);
  ptx::load_matrix_x2_transposed(fb, &sb[lane % 16][0]);
  float d[4] = {};
  ptx::multiply_bf16(d, fa, fb);
  for (int i = 0; i < 4; ++i) y[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}

__global__ void product_tf32_kernel(const float* a, const float* b, float* y) {
  const int lane = static_cast<int>(threadIdx.x), g = lane / 4, t = lane % 4;
  std::uint32_t fa[4], fb[2];
  for (int i = 0; i < 4; ++i) fa[i] = ptx::to_tf32(a[(g + 8 * (i % 2)) * 8 + t + 4 * (i / 2)]);
  for (int i = 0; i < 2; ++i) fb[i] = ptx::to_tf32(b[(t + 4 * i) * 8 + g]);
  float d[4] = {};
  ptx::multiply_tf32(d, fa, fb);
  for (int i = 0; i < 4; ++i) y[(g + 8 * (i / 2)) * 8 + 2 * t + i % 2] = d[i];
}

__global__ void block_sums_kernel(const float* x, float* y) {
  const Index i = fringe::cuda::global_thread();
  const float sum = fringe::cuda::block_sum<256>(x[i]);
  const int positive = __syncthreads_count(x[i] > 0);
  const unsigned in_warp = __ballot_sync(0xffffffffU, x[i] > 0);
  if (threadIdx.x == 0) y[blockIdx.x] = sum;
  if (threadIdx.x % 32 == 0) atomicAdd(y + gridDim.x, static_cast<float>(__popc(in_warp)));
  if (threadIdx.x == 0) atomicAdd(y + gridDim.x + 1, static_cast<float>(positive));
}

__global__ void shuffles_kernel(float* y) {
  const int lane = static_cast<int>(threadIdx.x);
  const float v = static_cast<float>(lane);
  y[lane] = __shfl_up_sync(0xffffffffU, v, 1);
  y[32 + lane] = __shfl_down_sync(0xffffffffU, v, 2, 16);
  y[64 + lane] = __shfl_sync(0xffffffffU, v, 5);
  y[96 + lane] = __shfl_xor_sync(0xffffffffU, v, 3);
}

/// Three buffers of 128 floats in flight; 32 threads copy 16 bytes each.
template <int Pending, bool Commits>
__global__ void copy_pipeline_kernel(const float* x, float* y, Index stages) {
  DYN_SHARED(float, buffer);
  const int lane = static_cast<int>(threadIdx.x);
  const auto load = [&](Index s) {
    if (s < stages) ptx::copy_async_16(buffer + s % 3 * 128 + 4 * lane, x + s * 128 + 4 * lane);
    if (Commits) ptx::copy_async_commit();
  };
  load(0);
  load(1);
  for (Index s = 0; s < stages; ++s) {
    ptx::copy_async_wait<Pending>();
    __syncthreads();
    load(s + 2);
    for (int i = lane; i < 128; i += 32) y[s * 128 + i] = buffer[s % 3 * 128 + (i ^ 127)];
  }
}

// ---- planted bugs: x and y have 256 elements, blocks 64 threads --------------------------------------------------------
enum class Bug { none, no_barrier_after_write, no_barrier_before_overwrite, uninitialised_shared, static_shared_overflow };

/// y[i] = x[i ^ 63] + x[i ^ 62] through shared memory, in two rounds over the same array.
template <Bug bug>
__global__ void exchange_kernel(const float* x, float* y) {
  __shared__ float tile[64];
  const int i = static_cast<int>(threadIdx.x);
  const Index at = fringe::cuda::global_thread();
  if (bug != Bug::uninitialised_shared || i % 7 != 3) tile[i + (bug == Bug::static_shared_overflow ? 1 : 0)] = x[at];
  if (bug != Bug::no_barrier_after_write) __syncthreads();
  const float first = tile[i ^ 63];
  if (bug != Bug::no_barrier_before_overwrite) __syncthreads();
  tile[i] = x[at];
  __syncthreads();
  y[at] = first + tile[i ^ 62];
}

template <bool Bug>
__global__ void dynamic_kernel(const float* x, float* y) {
  DYN_SHARED(float, tile);
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  if (Bug && i == 63) tile[64] = 0;
  __syncthreads();
  y[i] = tile[63 - i];
}

__global__ void warp_exchange_kernel(const float* x, float* y) {
  __shared__ float tile[64];
  const int i = static_cast<int>(threadIdx.x);
  tile[i] = x[i];
  y[i] = tile[i ^ 1];
}

__global__ void unordered_blocks_kernel(const float* x, float* y) {
  if (threadIdx.x == 0) y[0] += x[blockIdx.x];
}

__global__ void divergent_barrier_kernel(const float* x, float* y) {
  const int i = static_cast<int>(threadIdx.x);
  float v = x[i];
  if (i < 32)
    __syncthreads();
  else
    __syncthreads(), v = -v;
  y[i] = v;
}

__global__ void unequal_barriers_kernel(const float* x, float* y) {
  const int i = static_cast<int>(threadIdx.x);
  for (int k = 0; k < 1 + i / 32; ++k) __syncthreads();
  y[i] = x[i];
}

__global__ void early_return_kernel(const float* x, float* y) {
  const int i = static_cast<int>(threadIdx.x);
  if (i >= 40) return;
  __syncthreads();
  y[i] = x[i];
}

__global__ void missing_lane_kernel(const float* x, float* y) {
  const int i = static_cast<int>(threadIdx.x);
  float v = x[i];
  if (i % 32 < 16) v += __shfl_xor_sync(0xffffffffU, v, 1);
  __syncthreads();
  y[i] = v;
}

__global__ void device_overflow_kernel(const float* x, float* y) { y[threadIdx.x + 193] = x[threadIdx.x]; }

__global__ void misaligned_kernel(const float* x, float* y) { y[0] = reinterpret_cast<const float4*>(x + 1)->x; }

/// Memory of the device with its queue, and 256 numbers on both sides.
struct Bench {
  Stream stream{1, fringe::cuda::device(0)};
  float* x = reinterpret_cast<float*>(stream.device().allocate(1024));
  float* y = reinterpret_cast<float*>(stream.device().allocate(1024));
  std::vector<float> in = std::vector<float>(256), out = std::vector<float>(256);
  Bench() {
    for (int i = 0; i < 256; ++i) in[static_cast<std::size_t>(i)] = static_cast<float>(1 + i * i % 101);
    stream.device().upload(stream.queue(), x, in.data(), 1024);
    stream.device().fill(stream.queue(), y, 0, 256);
  }
  ~Bench() {
    if (x != nullptr) stream.device().release(reinterpret_cast<std::byte*>(x));
    stream.device().release(reinterpret_cast<std::byte*>(y));
  }
  void read() { stream.device().download(stream.queue(), out.data(), y, 1024); }
};

}  // namespace

void twice(Stream& stream, const float* x, float* y, Index n) {
  LAUNCH(twice_kernel, fringe::cuda::blocks_for<Index>(n, 128), 128, 0, stream, x, y, n);
}
void product_bf16(Stream& stream, const float* a, const float* b, float* y) {
  LAUNCH(product_bf16_kernel, 1, 32, 0, stream, a, b, y);
}
void product_tf32(Stream& stream, const float* a, const float* b, float* y) {
  LAUNCH(product_tf32_kernel, 1, 32, 0, stream, a, b, y);
}
void block_sums(Stream& stream, const float* x, float* y, Index blocks) {
  LAUNCH(block_sums_kernel, static_cast<unsigned>(blocks), 256, 0, stream, x, y);
}
void shuffles(Stream& stream, float* y) { LAUNCH(shuffles_kernel, 1, 32, 0, stream, y); }
void copy_pipeline(Stream& stream, const float* x, float* y, Index stages) {
  LAUNCH((copy_pipeline_kernel<1, true>), 1, 32, 3 * 128 * sizeof(float), stream, x, y, stages);
}

bool planted(const char* name) {
  const std::string_view bug = name;
  Bench b;
  Stream& s = b.stream;
  // y as the kernel without the bug makes it
  const auto is = [&](auto&& expected) {
    b.read();
    for (std::size_t i = 0; i < 256; ++i)
      if (const float e = expected(i); e == e && b.out[i] != e) return false;
    return true;
  };
  const float any = NAN;  // this element may be anything
  const auto exchanged = [&](std::size_t i) { return b.in[i ^ 63] + b.in[i ^ 62]; };
  if (bug == "none") {
    LAUNCH(exchange_kernel<Bug::none>, 4, 64, 0, s, b.x, b.y);
    if (!is(exchanged)) return false;
    LAUNCH(dynamic_kernel<false>, 1, 64, 64 * sizeof(float), s, b.x, b.y);
    return is([&](std::size_t i) { return i < 64 ? b.in[63 - i] : exchanged(i); });
  }
  if (bug == "no_barrier_after_write") LAUNCH(exchange_kernel<Bug::no_barrier_after_write>, 4, 64, 0, s, b.x, b.y);
  if (bug == "no_barrier_before_overwrite") LAUNCH(exchange_kernel<Bug::no_barrier_before_overwrite>, 4, 64, 0, s, b.x, b.y);
  if (bug == "uninitialised_shared") {
    LAUNCH(exchange_kernel<Bug::uninitialised_shared>, 4, 64, 0, s, b.x, b.y);
    return is(exchanged);
  }
  if (bug == "static_shared_overflow") LAUNCH(exchange_kernel<Bug::static_shared_overflow>, 4, 64, 0, s, b.x, b.y);
  if (bug == "dynamic_shared_overflow") LAUNCH(dynamic_kernel<true>, 1, 64, 64 * sizeof(float), s, b.x, b.y);
  if (bug == "no_warp_barrier") LAUNCH(warp_exchange_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "unordered_blocks") LAUNCH(unordered_blocks_kernel, 4, 64, 0, s, b.x, b.y);
  if (bug == "divergent_barrier") LAUNCH(divergent_barrier_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "unequal_barriers") LAUNCH(unequal_barriers_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "early_return") LAUNCH(early_return_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "missing_lane") LAUNCH(missing_lane_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "device_overflow") LAUNCH(device_overflow_kernel, 1, 64, 0, s, b.x, b.y);
  if (bug == "misaligned_access") LAUNCH(misaligned_kernel, 1, 1, 0, s, b.x, b.y);
  if (bug == "use_after_free") {
    s.device().release(reinterpret_cast<std::byte*>(b.x));
    LAUNCH(twice_kernel, 2, 128, 0, s, b.x, b.y, 256);
    b.x = nullptr;
  }
  if (bug == "no_wait_for_copy" || bug == "wait_for_too_few_copies") {
    if (bug == "no_wait_for_copy")
      LAUNCH((copy_pipeline_kernel<1, false>), 1, 32, 3 * 128 * sizeof(float), s, b.x, b.y, 2);
    else
      LAUNCH((copy_pipeline_kernel<2, true>), 1, 32, 3 * 128 * sizeof(float), s, b.x, b.y, 2);
    return is([&](std::size_t i) { return b.in[i ^ 127]; });
  }
  if (bug == "host_reads_device_memory") {
    s.wait();
    return b.y[3] == 0;
  }
  if (bug == "copy_too_long") check(cudaMemcpyAsync(b.x, b.in.data(), 1028, cudaMemcpyHostToDevice, nullptr), "copy");
  if (bug == "copy_of_wrong_kind") check(cudaMemcpyAsync(b.x, b.in.data(), 1024, cudaMemcpyDeviceToHost, nullptr), "copy");
  if (bug == "no_event_between_streams") {
    LAUNCH(twice_kernel, 2, 128, 0, s, b.x, b.y, 256);
    Stream other(1, fringe::cuda::device(0));
    LAUNCH(twice_kernel, 2, 128, 0, other, b.y, b.x, 256);
    other.device().download(other.queue(), b.out.data(), b.x, 1024);
    return b.out[5] == 4 * b.in[5];
  }
  return is([&](std::size_t i) { return bug.starts_with("no_barrier") ? exchanged(i) : any; });
}

RuntimeResults runtime() {
  RuntimeResults results{};
  Bench b;
  Stream other(1, fringe::cuda::device(0));
  const auto first = [&](Stream& stream, const float* from) {
    float value = 0;
    stream.device().download(stream.queue(), &value, from, sizeof value);
    return value;
  };
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
  LAUNCH(twice_kernel, 2, 128, 0, b.stream, b.x, b.y, 256);
  check(cudaEventRecord(event, fringe::cuda::queue(b.stream)), "event");
  check(cudaStreamWaitEvent(fringe::cuda::queue(other), event, 0), "event");
  LAUNCH(twice_kernel, 2, 128, 0, other, b.y, b.x, 256);
  results.ordered = first(other, b.x);  // x was 1: 4
  check(cudaEventDestroy(event), "event");

  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check(cudaStreamBeginCapture(fringe::cuda::queue(b.stream), cudaStreamCaptureModeGlobal), "capture");
  LAUNCH(twice_kernel, 2, 128, 0, b.stream, b.x, b.y, 256);
  LAUNCH(twice_kernel, 2, 128, 0, b.stream, b.y, b.y, 256);
  check(cudaStreamEndCapture(fringe::cuda::queue(b.stream), &graph), "capture");
  check(cudaGraphInstantiate(&executable, graph, 0), "graph");
  results.eventless = first(b.stream, b.y);  // captured work has not run: still 2
  check(cudaGraphLaunch(executable, fringe::cuda::queue(b.stream)), "graph");
  results.replayed = first(b.stream, b.y);  // 16
  b.stream.device().fill(b.stream.queue(), b.x, 10, 256);
  check(cudaGraphLaunch(executable, fringe::cuda::queue(b.stream)), "graph");
  results.after_update = first(b.stream, b.y);  // 40
  check(cudaGraphExecDestroy(executable), "graph");
  check(cudaGraphDestroy(graph), "graph");
  return results;
}

bool forked_capture(bool joins) {
  Bench b;
  Stream other(1, fringe::cuda::device(0));
  const cudaStream_t first = fringe::cuda::queue(b.stream), second = fringe::cuda::queue(other);
  cudaEvent_t event = nullptr;
  cudaGraph_t graph = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
  check(cudaStreamBeginCapture(first, cudaStreamCaptureModeGlobal), "capture");
  LAUNCH(twice_kernel, 2, 128, 0, b.stream, b.x, b.y, 256);
  check(cudaEventRecord(event, first), "event");
  check(cudaStreamWaitEvent(second, event, 0), "event");
  LAUNCH(twice_kernel, 2, 128, 0, other, b.y, b.y, 256);
  if (joins) {
    check(cudaEventRecord(event, second), "event");
    check(cudaStreamWaitEvent(first, event, 0), "event");
  }
  LAUNCH(twice_kernel, 2, 128, 0, b.stream, b.y, b.y, 256);
  const cudaError_t status = cudaStreamEndCapture(first, &graph);
  check(cudaEventDestroy(event), "event");
  if (!joins) {
    cudaGetLastError();
    return status == cudaErrorStreamCaptureUnjoined && graph == nullptr;
  }
  check(status, "capture");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0), "graph");
  bool right = true;
  for (int i = 0; i < 2; ++i) {  // once as late, once as early as it can
    check(cudaGraphLaunch(executable, first), "graph");
    b.read();
    for (std::size_t k = 0; k < 256; ++k) right = right && b.out[k] == 8 * b.in[k];
  }
  check(cudaGraphExecDestroy(executable), "graph");
  check(cudaGraphDestroy(graph), "graph");
  return right;
}

bool capture_refuses() {
  Stream stream(1, fringe::cuda::device(0));
  check(cudaStreamBeginCapture(fringe::cuda::queue(stream), cudaStreamCaptureModeGlobal), "capture");
  void* memory = nullptr;
  const bool refused = cudaMalloc(&memory, 64) == cudaErrorStreamCaptureUnsupported &&
                       cudaStreamSynchronize(fringe::cuda::queue(stream)) == cudaErrorStreamCaptureUnsupported;
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(fringe::cuda::queue(stream), &graph), "capture");
  check(cudaGraphDestroy(graph), "graph");
  cudaGetLastError();
  return refused;
}

}  // namespace emulation::kernels

// What every .cu file includes: how kernels are launched, dynamic shared memory, and index arithmetic.
//
// The same sources are compiled by nvcc for a GPU and by a plain C++ compiler for tests/emulation. Both understand these
// two macros, which is why they replace <<<>>> and `extern __shared__`:
//
//   LAUNCH(kernel, grid, block, shared_bytes, stream, arguments...);    stream is the fringe::Stream of the entry
//   DYN_SHARED(float, tile);                                            `float* tile`, 1024-byte aligned
//
// Kernels live in anonymous namespaces (so that the sanitizers guard their shared arrays), end in _kernel, and begin with
// begin_kernel().
#pragma once
#include <cuda_runtime.h>

#include "kernels/cuda/check.h"
#include "kernels/stream.h"

namespace fringe::cuda {

inline cudaStream_t queue(const Stream& stream) { return static_cast<cudaStream_t>(stream.queue()); }
inline cudaStream_t queue(cudaStream_t stream) { return stream; }

/// The first statement of every kernel. From compute capability 9.0 on a kernel comes onto the device while the one before it in
/// its queue ends (programmatic dependent launch): here it waits until that one is done and its results are there. No thread may
/// end, or touch memory, before. The next one comes as the last blocks end; called in earlier
/// (cudaTriggerProgrammaticLaunchCompletion), its waiting blocks take places where others could work (docs/cuda-convolution.md).
__device__ __forceinline__ void begin_kernel() {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}

/// Blocks of `size` that cover `count`.
template <class T>
constexpr T blocks_for(T count, T size) {
  return (count + size - 1) / size;
}

/// This thread's place in a one-dimensional grid, and the number of its threads.
__device__ inline Index global_thread() { return static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline Index global_threads() { return static_cast<Index>(gridDim.x) * blockDim.x; }

/// Blocks for a kernel that strides over `count` items with `threads` threads a block: enough to fill the largest device,
/// few enough that a thread has several items. A function of the count alone, so that results do not depend on the device.
constexpr unsigned grid_for(Index count, Index threads) {
  constexpr Index most = 132 * 8;  // eight blocks for each multiprocessor of an H200
  const Index blocks = blocks_for(count, threads);
  return static_cast<unsigned>(blocks < 1 ? 1 : blocks < most ? blocks : most);
}

#ifdef FRINGE_CUDA_EMULATION

#define DYN_SHARED(T, name) T* name = reinterpret_cast<T*>(emulation::dynamic_shared())
#define LAUNCH(kernel, grid, block, shared, stream, ...)                                                       \
  (emulation::launch(kernel, dim3(grid), dim3(block), static_cast<std::size_t>(shared), ::fringe::cuda::queue(stream), \
                     #kernel, __VA_ARGS__),                                                                    \
   ::fringe::cuda::launched(#kernel, ::fringe::cuda::queue(stream)))

#else

#define DYN_SHARED(T, name)                                              \
  extern __shared__ __align__(1024) unsigned char fringe_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(fringe_dynamic_shared)
#define LAUNCH(kernel, grid, block, shared, stream, ...)                                                                \
  ::fringe::cuda::launch(kernel, dim3(grid), dim3(block), static_cast<std::size_t>(shared), ::fringe::cuda::queue(stream), \
                         #kernel, __VA_ARGS__)

/// Whether the kernels of this program were compiled so that begin_kernel() waits.
bool kernels_come_early();

/// Converts the arguments to the kernel's parameters, asks for more than 48 KB of shared memory where they are needed.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared, cudaStream_t queue, const char* name,
            Arguments&&... arguments) {
  if (shared > 48 * 1024)
    check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                               static_cast<int>(shared)),
          name);
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid, config.blockDim = block, config.dynamicSmemBytes = shared, config.stream = queue;
  config.attrs = &early, config.numAttrs = kernels_come_early() ? 1 : 0;
  cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);  // launched() asks for its errors
  launched(name, queue);
}

#endif

}  // namespace fringe::cuda

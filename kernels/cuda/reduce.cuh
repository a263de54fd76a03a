// Sums over the threads of a warp and of a block, in an order fixed by the number of threads.
//
// There are no atomic sums of floats in this backend: their order changes from run to run, and so would the last bits.
// Larger sums are made in two stages: every block writes its part, and one block adds the parts.
#pragma once
#include <cuda_runtime.h>

namespace fringe::cuda {
namespace {

/// The sum over the 32 lanes, in every lane. All lanes of the warp take part.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value += __shfl_xor_sync(0xffffffffU, value, offset);
  return value;
}

/// The sum over the `Threads` threads of a one-dimensional block, in every thread. All threads take part; it may be called
/// again at once.
template <int Threads, class T>
__device__ T block_sum(T value) {
  static_assert(Threads % 32 == 0 && Threads <= 1024);
  __shared__ T parts[Threads / 32];
  value = warp_sum(value);
  __syncthreads();  // the parts of an earlier call may still be being read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = 0;
#pragma unroll
  for (int i = 0; i < Threads / 32; ++i) value += parts[i];
  return value;
}

}  // namespace
}  // namespace fringe::cuda

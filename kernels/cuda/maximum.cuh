// The largest of the numbers that the threads of a block hold, and so of the numbers of a sample: in pieces, as reduce.cuh's
// sums.
#pragma once
#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

/// The largest value of the block's threads, in every thread. All threads take part; it may be called again at once.
__device__ float block_max(float value) {
  __shared__ float parts[sample_threads / 32];
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, offset));
  __syncthreads();  // the parts of an earlier call may still be being read
  if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = value;
  __syncthreads();
  value = parts[0];
#pragma unroll
  for (int i = 1; i < sample_threads / 32; ++i) value = fmaxf(value, parts[i]);
  return value;
}

/// The largest of a sample's parts, of which there are at most as many as threads, in every thread.
__device__ __forceinline__ float largest_part(const float* parts, unsigned pieces) {
  return block_max(threadIdx.x < pieces ? parts[blockIdx.y * pieces + threadIdx.x] : -INFINITY);
}

}  // namespace
}  // namespace fringe::cuda

// Sums over the threads of a warp and of a block, in an order fixed by the number of threads.
//
// There are no atomic sums of floats in this backend: their order changes from run to run, and so would the last bits.
// Larger sums are made in two stages: every block writes its part, and one block adds the parts.
#pragma once
#include "kernels/cuda/launch.cuh"

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

// ---- sums over the elements of a sample, K at a time, in double --------------------------------------------------------
// Stage one: blockIdx.y is the sample, blockIdx.x the piece of it; sample_pieces(count) blocks of sample_threads threads
// write their parts. Stage two: any block adds the parts of a sample; as there are at most sample_threads, a thread adds one.
constexpr int sample_threads = 256;

constexpr unsigned sample_pieces(Index count) {
  const Index pieces = blocks_for<Index>(count, 8 * sample_threads);
  return static_cast<unsigned>(pieces < sample_threads ? pieces : sample_threads);
}

/// Where the parts of the current sample lie: parts has samples * pieces * K elements.
template <int K>
__device__ __forceinline__ double* sample_parts(double* parts, unsigned pieces) {
  return parts + static_cast<Index>(blockIdx.y) * pieces * K;
}

/// Adds f(i, sums) over this block's elements 0 <= i < count, and writes the block's part.
template <int K, class F>
__device__ __forceinline__ void sum_piece(Index count, double* parts, const F& f) {
  double sums[K] = {};
  for (Index i = global_thread(); i < count; i += global_threads()) f(i, sums);
#pragma unroll
  for (int k = 0; k < K; ++k) {
    const double sum = block_sum<sample_threads>(sums[k]);
    if (threadIdx.x == 0) sample_parts<K>(parts, gridDim.x)[blockIdx.x * K + k] = sum;
  }
}

/// The sums of the current sample, in every thread of the block.
template <int K>
__device__ __forceinline__ void add_pieces(double (&sums)[K], double* parts, unsigned pieces) {
#pragma unroll
  for (int k = 0; k < K; ++k)
    sums[k] = block_sum<sample_threads>(threadIdx.x < pieces ? sample_parts<K>(parts, pieces)[threadIdx.x * K + k] : 0.0);
}

}  // namespace
}  // namespace fringe::cuda

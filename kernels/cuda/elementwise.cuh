// Functions of corresponding elements of flat arrays: one thread makes four neighbours with 16-byte accesses.
#pragma once
#include <cstdint>

#include "kernels/cuda/launch.cuh"

namespace fringe::cuda {

constexpr int elementwise_threads = 256;

/// Blocks for a kernel that calls map() on n elements.
constexpr unsigned elementwise_grid(Index n) { return grid_for(blocks_for<Index>(n, 4), elementwise_threads); }

namespace {

__device__ __forceinline__ bool aligned_16(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

template <class F, class... Quad>
__device__ __forceinline__ float4 map_quad(const F& f, const Quad&... x) {
  return make_float4(f(x.x...), f(x.y...), f(x.z...), f(x.w...));
}

/// y[i] = f(x[i]...) for 0 <= i < n, shared among all threads of the grid. y may be one of the x. Arrays that do not begin
/// at a multiple of 16 bytes are done one element at a time.
template <class F, class... X>
__device__ __forceinline__ void map(Index n, float* y, const F& f, const X*... x) {
  const Index quads = aligned_16(y) && (aligned_16(x) && ...) ? n / 4 : 0;
  for (Index q = global_thread(); q < quads; q += global_threads())
    reinterpret_cast<float4*>(y)[q] = map_quad(f, reinterpret_cast<const float4*>(x)[q]...);
  for (Index i = 4 * quads + global_thread(); i < n; i += global_threads()) y[i] = f(x[i]...);
}

}  // namespace
}  // namespace fringe::cuda

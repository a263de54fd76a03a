// Strategy: a thread makes the four numbers of one Philox block; normal numbers in double, as (2) says, so that all backends
// agree (the double functions of GPU and host may differ in the last bit of double, which the rounding to float hides but
// for one number in some hundred millions).
#include "kernels/philox.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

struct Four {
  float v[4];
};

__device__ __forceinline__ Four uniform_block(std::uint64_t seed, std::uint64_t stream_id, Index block) {
  const philox::Block w = philox::words(seed, stream_id, static_cast<std::uint64_t>(block));
  Four f;
  for (int k = 0; k < 4; ++k) f.v[k] = static_cast<float>(static_cast<double>(w[k] >> 8) * 0x1p-24);  // (1)
  return f;
}

__device__ __forceinline__ Four normal_block(std::uint64_t seed, std::uint64_t stream_id, Index block) {
  const philox::Block w = philox::words(seed, stream_id, static_cast<std::uint64_t>(block));
  Four f;
  for (int pair = 0; pair < 4; pair += 2) {
    const double u0 = w[pair] * 0x1p-32, u1 = w[pair + 1] * 0x1p-32;
    const double r = sqrt(-2 * log1p(-u0));
    double s, c;
    sincospi(2 * u1, &s, &c);  // unlike sin and cos it has no case for large angles, which would need local memory
    f.v[pair] = static_cast<float>(r * c);  // (2)
    f.v[pair + 1] = static_cast<float>(r * s);
  }
  return f;
}

template <bool Normal>
__global__ void philox_kernel(std::uint64_t seed, std::uint64_t stream_id, float* y, Index n) {
  begin_kernel();
  for (Index block = global_thread(); 4 * block < n; block += global_threads()) {
    const Four f = Normal ? normal_block(seed, stream_id, block) : uniform_block(seed, stream_id, block);
    for (int k = 0; k < 4; ++k)
      if (4 * block + k < n) y[4 * block + k] = f.v[k];
  }
}

}  // namespace

void philox_uniform(Stream& stream, std::uint64_t seed, std::uint64_t stream_id, View<float> y) {
  LAUNCH(philox_kernel<false>, elementwise_grid(y.size()), elementwise_threads, 0, stream, seed, stream_id, y.data, y.size());
}

void philox_normal(Stream& stream, std::uint64_t seed, std::uint64_t stream_id, View<float> y) {
  LAUNCH(philox_kernel<true>, elementwise_grid(y.size()), elementwise_threads, 0, stream, seed, stream_id, y.data, y.size());
}

}  // namespace fringe::cuda

// Strategy: one pass over the voxels of all samples (blockIdx.y: the sample), two neighbours a thread with 16-byte accesses
// where a sample has an even number of them; sums in double, block by block, and a block a sample adds the parts. At 64^3 one
// sample gives 256 blocks of two pairs a thread: enough to fill a device, few enough for one block to add.
#include "kernels/modulus_projection.h"

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

constexpr unsigned projection_pieces(Index items) {
  const Index pieces = blocks_for<Index>(items, 2 * sample_threads);
  return static_cast<unsigned>(pieces < sample_threads ? pieces : sample_threads);
}

/// (1) for one voxel; adds its term of (2).
__device__ __forceinline__ float2 project(float factor, float a, float2 f, double& sum) {
  const bool measured = a >= 0;
  const float m = sqrtf(fmaxf(f.x * f.x + f.y * f.y, modulus_projection::least_intensity));
  const float scale = measured ? factor * a / m : factor;
  const float difference = measured ? m - a : 0.0F;
  sum += static_cast<double>(difference) * static_cast<double>(difference);
  return make_float2(scale * f.x, scale * f.y);
}

template <bool Pairs>
__global__ void __launch_bounds__(sample_threads)
    modulus_projection_kernel(float factor, const float* a, Index a_stride, const float* f, float* y, Index voxels,
                              double* parts) {
  begin_kernel();
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  const float* const an = a + static_cast<Index>(blockIdx.y) * a_stride;
  const auto* const fn = reinterpret_cast<const float2*>(f) + first;
  auto* const yn = reinterpret_cast<float2*>(y) + first;
  sum_piece<1>(Pairs ? voxels / 2 : voxels, parts, [&](Index i, double(&s)[1]) {
    if constexpr (Pairs) {
      const float2 target = reinterpret_cast<const float2*>(an)[i];
      const float4 pair = reinterpret_cast<const float4*>(fn)[i];
      const float2 p = project(factor, target.x, make_float2(pair.x, pair.y), s[0]);
      const float2 q = project(factor, target.y, make_float2(pair.z, pair.w), s[0]);
      reinterpret_cast<float4*>(yn)[i] = make_float4(p.x, p.y, q.x, q.y);
    } else {
      yn[i] = project(factor, an[i], fn[i], s[0]);
    }
  });
}

__global__ void __launch_bounds__(sample_threads)
    modulus_projection_finish_kernel(unsigned pieces, double* parts, float* misfit) {
  begin_kernel();
  double sum[1];
  add_pieces(sum, parts, pieces);
  if (threadIdx.x == 0) misfit[blockIdx.y] = static_cast<float>(sum[0]);  // (2)
}

bool aligned(const float* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

}  // namespace

void modulus_projection(Stream& stream, float factor, ConstView<float> a, ConstView<float> f, View<float> y,
                        View<float> misfit) {
  modulus_projection::require_shapes(a.shape, f.shape, y.shape, misfit.shape);
  const Index voxels = f.shape.voxels(), a_stride = a.shape.n == 1 ? 0 : voxels;
  const bool pairs = voxels % 2 == 0 && aligned(a.data) && aligned(f.data) && aligned(y.data);
  const unsigned pieces = projection_pieces(pairs ? voxels / 2 : voxels), samples = static_cast<unsigned>(f.shape.n);
  auto* parts = stream.scratch<double>(f.shape.n * pieces);
  if (pairs)
    LAUNCH(modulus_projection_kernel<true>, dim3(pieces, samples), sample_threads, 0, stream, factor, a.data, a_stride, f.data,
           y.data, voxels, parts);
  else
    LAUNCH(modulus_projection_kernel<false>, dim3(pieces, samples), sample_threads, 0, stream, factor, a.data, a_stride, f.data,
           y.data, voxels, parts);
  LAUNCH(modulus_projection_finish_kernel, dim3(1, samples), sample_threads, 0, stream, pieces, parts, misfit.data);
}

}  // namespace fringe::cuda

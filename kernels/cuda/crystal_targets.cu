// Strategy: two launches, blockIdx.y the crystal: its sum and least phase in pieces; then every block puts the pieces together
// and a thread makes all of a voxel. A twin's voxels are read backwards, which still fills whole sectors.
#include "kernels/crystal_targets.h"

#include "kernels/cuda/maximum.cuh"
#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

struct Crystals {
  const float2* rho;
  Extents e;
  unsigned voxels;
  bool twin;

  /// (1), of a voxel of the crystal that is the block's.
  __device__ float2 at(unsigned i) const {
    const float2* const own = rho + static_cast<Index>(blockIdx.y) * voxels;
    if (!twin) return own[i];
    const Place p(i, e);
    const unsigned d = e.d / 2 * 2 - p.d, h = e.h / 2 * 2 - p.h, w = e.w / 2 * 2 - p.w;
    if (d >= e.d || h >= e.h || w >= e.w) return make_float2(0, 0);
    const float2 v = own[e.at(0, d, h, w, 0)];
    return make_float2(v.x, -v.y);
  }
};

__device__ __forceinline__ bool is_zero(float2 v) { return v.x == 0 && v.y == 0; }

__global__ void __launch_bounds__(sample_threads)
    crystal_targets_sums_kernel(const __grid_constant__ Crystals crystals, double* sums, float* highest) {
  begin_kernel();
  float high = -INFINITY;  // of -arg q
  sum_piece<2>(crystals.voxels, sums, [&](Index i, double(&s)[2]) {
    const float2 q = crystals.at(static_cast<unsigned>(i));
    s[0] += q.x, s[1] += q.y;
    if (!is_zero(q)) high = fmaxf(high, -atan2f(q.y, q.x));
  });
  high = block_max(high);
  if (threadIdx.x == 0) highest[blockIdx.y * gridDim.x + blockIdx.x] = high;
}

__global__ void __launch_bounds__(sample_threads)
    crystal_targets_kernel(const __grid_constant__ Crystals crystals, double* sums, const float* highest, float* amplitude,
                           float* phase, float2* field) {
  begin_kernel();
  double sum[2];
  add_pieces(sum, sums, gridDim.x);
  const float least = -largest_part(highest, gridDim.x);
  const double length = sqrt(sum[0] * sum[0] + sum[1] * sum[1]);
  const float c = length > 0 ? static_cast<float>(sum[0] / length) : 1.0F;
  const float s = length > 0 ? static_cast<float>(sum[1] / length) : 0.0F;
  const Index first = static_cast<Index>(blockIdx.y) * crystals.voxels;
  for (Index i = global_thread(); i < crystals.voxels; i += global_threads()) {
    const float2 q = crystals.at(static_cast<unsigned>(i));
    amplitude[first + i] = sqrtf(q.x * q.x + q.y * q.y);                      // (2)
    phase[first + i] = is_zero(q) ? 0.0F : atan2f(q.y, q.x) - least;          // (3)
    field[first + i] = make_float2(q.x * c + q.y * s, q.y * c - q.x * s);  // (4)
  }
}

}  // namespace

void crystal_targets(Stream& stream, bool twin, ConstView<float> object, View<float> amplitude, View<float> phase,
                     View<float> field) {
  crystal_targets::require_shapes(object.shape, amplitude.shape, phase.shape, field.shape);
  const Shape& s = object.shape;
  const Crystals crystals{reinterpret_cast<const float2*>(object.data), Extents(s.with_channels(1)),
                          static_cast<unsigned>(s.voxels()), twin};
  const dim3 grid(sample_pieces(s.voxels()), static_cast<unsigned>(s.n));
  const Index parts = s.n * static_cast<Index>(grid.x);
  auto* sums = stream.scratch<double>(3 * parts);
  auto* highest = reinterpret_cast<float*>(sums + 2 * parts);
  LAUNCH(crystal_targets_sums_kernel, grid, sample_threads, 0, stream, crystals, sums, highest);
  LAUNCH(crystal_targets_kernel, grid, sample_threads, 0, stream, crystals, sums, highest, amplitude.data, phase.data,
         reinterpret_cast<float2*>(field.data));
}

}  // namespace fringe::cuda

// Strategy: as relative_l2: sums for the level, then for the double well, then one block a sample.
#include "kernels/uniform_density.h"

#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

__global__ void __launch_bounds__(sample_threads) uniform_density_level_kernel(const float* a, Index count, double* moments) {
  begin_kernel();
  const float* const sample = a + static_cast<Index>(blockIdx.y) * count;
  sum_piece<2>(count, moments, [&](Index i, double (&s)[2]) {
    const double v = sample[i];
    s[0] += v * v;
    s[1] += v * v * v;
  });
}

__device__ __forceinline__ double level_of(const double (&moments)[2]) { return moments[0] > 0 ? moments[1] / moments[0] : 0.0; }  // (1)

__global__ void __launch_bounds__(sample_threads)
    uniform_density_well_kernel(const float* a, Index count, double* moments, double* wells) {
  begin_kernel();
  double m[2];
  add_pieces(m, moments, gridDim.x);
  const double level = level_of(m);
  const float* const sample = a + static_cast<Index>(blockIdx.y) * count;
  sum_piece<1>(count, wells, [&](Index i, double (&s)[1]) {
    const double v = sample[i];
    s[0] += v * v * (v - level) * (v - level);
  });
}

__global__ void __launch_bounds__(sample_threads)
    uniform_density_finish_kernel(unsigned pieces, double* moments, double* wells, float* stats, float* loss) {
  begin_kernel();
  double m[2], well[1];
  add_pieces(m, moments, pieces);
  add_pieces(well, wells, pieces);
  if (threadIdx.x != 0) return;
  const double level = level_of(m), q = m[0] > 0 ? well[0] / m[0] : 0.0;
  float* const s = stats + 3 * blockIdx.y;
  s[0] = static_cast<float>(level);
  s[1] = static_cast<float>(m[0]);
  s[2] = static_cast<float>(q);
  loss[blockIdx.y] = level > 0 ? static_cast<float>(q / (level * level)) : 0.0F;  // (2)
}

__global__ void __launch_bounds__(sample_threads)
    uniform_density_backward_kernel(const float* a, Index count, const float* stats, const float* dloss, float* da) {
  begin_kernel();
  const Index first = static_cast<Index>(blockIdx.y) * count;
  const float* const s = stats + 3 * blockIdx.y;
  const float level = s[0], squares = s[1], q = s[2];
  const float factor = level > 0 ? 2 * dloss[blockIdx.y] / (level * level * squares) : 0.0F;
  for (Index i = global_thread(); i < count; i += global_threads()) {
    const float v = a[first + i], delta = v - level;
    da[first + i] = factor * v * (delta * delta + v * delta - q);  // (3)
  }
}

}  // namespace

void uniform_density_forward(Stream& stream, ConstView<float> a, View<float> stats, View<float> loss) {
  require_shape("uniform_density", "loss", loss.shape, sample_vector(a.shape.n));
  require_shape("uniform_density", "stats", stats.shape, {a.shape.n, 1, 1, 1, 3});
  const Index samples = a.shape.n, count = a.shape.per_sample(), parts = samples * sample_pieces(count);
  auto* moments = stream.scratch<double>(3 * parts);
  double* wells = moments + 2 * parts;
  const dim3 grid(sample_pieces(count), static_cast<unsigned>(samples));
  LAUNCH(uniform_density_level_kernel, grid, sample_threads, 0, stream, a.data, count, moments);
  LAUNCH(uniform_density_well_kernel, grid, sample_threads, 0, stream, a.data, count, moments, wells);
  LAUNCH(uniform_density_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, grid.x, moments, wells, stats.data, loss.data);
}

void uniform_density_backward(Stream& stream, ConstView<float> a, ConstView<float> stats, ConstView<float> dloss,
                              View<float> da) {
  require_shape("uniform_density", "da", da.shape, a.shape);
  const Index count = a.shape.per_sample();
  LAUNCH(uniform_density_backward_kernel, dim3(grid_for(count, sample_threads), static_cast<unsigned>(a.shape.n)), sample_threads, 0,
         stream, a.data, count, stats.data, dloss.data, da.data);
}

}  // namespace fringe::cuda

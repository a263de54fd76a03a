// Strategy: a thread takes one voxel after another; the largest amplitude of a sample (blockIdx.y) in pieces, which every block
// puts together; the centre of an autocorrelation is read by all.
#include "kernels/pattern_input.h"

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/maximum.cuh"

namespace fringe::cuda {
namespace {

using namespace pattern_input;

__global__ void pattern_amplitude_kernel(const float* i, float* a, Index n) {
  begin_kernel();
  map(n, a, [](float x) { return sqrtf(x); }, i);  // (1)
}

__global__ void __launch_bounds__(sample_threads) largest_amplitude_kernel(const float* x, Index voxels, float* parts) {
  begin_kernel();
  const float* const from = x + static_cast<Index>(blockIdx.y) * voxels;
  float largest = 0;
  for (Index i = global_thread(); i < voxels; i += global_threads()) largest = fmaxf(largest, from[i]);
  largest = block_max(largest);
  if (threadIdx.x == 0) parts[blockIdx.y * gridDim.x + blockIdx.x] = largest;
}

__global__ void __launch_bounds__(sample_threads)
    relative_amplitude_kernel(bool logarithm, const float* x, Index voxels, const float* parts, float* y) {
  begin_kernel();
  const float largest = largest_part(parts, gridDim.x);
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  for (Index i = first + global_thread(); i < first + voxels; i += global_threads()) {
    const float relative = x[i] / largest;
    y[i] = logarithm ? log1pf(static_cast<float>(decades) * relative) * static_cast<float>(1 / log_decades) : relative;  // (2)
  }
}

__global__ void complex_intensity_kernel(const float* i, float2* z, Index n) {
  begin_kernel();
  for (Index k = global_thread(); k < n; k += global_threads()) z[k] = make_float2(i[k], 0);  // (3)
}

__global__ void autocorrelation_input_kernel(const float2* z, Index voxels, Index centre, float2* y) {
  begin_kernel();
  const Index first = static_cast<Index>(blockIdx.y) * voxels;
  const float total = z[first + centre].x;
  for (Index k = first + global_thread(); k < first + voxels; k += global_threads()) {
    const float re = z[k].x / total, im = z[k].y / total;
    const float factor = 1 / sqrtf(fmaxf(static_cast<float>(least), sqrtf(re * re + im * im)));
    y[k] = make_float2(re * factor, static_cast<float>(imaginary_gain) * im * factor);  // (4)
  }
}

}  // namespace

void pattern_amplitude(Stream& stream, ConstView<float> i, View<float> a) {
  require_shapes("pattern_amplitude", i.shape, 1, a.shape, 1);
  LAUNCH(pattern_amplitude_kernel, elementwise_grid(a.size()), elementwise_threads, 0, stream, i.data, a.data, a.size());
}

void relative_amplitude(Stream& stream, bool logarithm, ConstView<float> x, View<float> y) {
  require_shapes("relative_amplitude", x.shape, 1, y.shape, 1);
  const Index voxels = x.shape.voxels();
  const dim3 grid(sample_pieces(voxels), static_cast<unsigned>(x.shape.n));
  auto* parts = stream.scratch<float>(x.shape.n * static_cast<Index>(grid.x));
  LAUNCH(largest_amplitude_kernel, grid, sample_threads, 0, stream, x.data, voxels, parts);
  LAUNCH(relative_amplitude_kernel, grid, sample_threads, 0, stream, logarithm, x.data, voxels, parts, y.data);
}

void complex_intensity(Stream& stream, ConstView<float> i, View<float> z) {
  require_shapes("complex_intensity", i.shape, 1, z.shape, 2);
  LAUNCH(complex_intensity_kernel, grid_for(i.size(), elementwise_threads), elementwise_threads, 0, stream, i.data,
         reinterpret_cast<float2*>(z.data), i.size());
}

void autocorrelation_input(Stream& stream, ConstView<float> z, View<float> y) {
  require_shapes("autocorrelation_input", z.shape, 2, y.shape, 2);
  const Index voxels = z.shape.voxels();
  const dim3 grid(grid_for(voxels, elementwise_threads), static_cast<unsigned>(z.shape.n));
  LAUNCH(autocorrelation_input_kernel, grid, elementwise_threads, 0, stream, reinterpret_cast<const float2*>(z.data), voxels,
         centre(z.shape), reinterpret_cast<float2*>(y.data));
}

}  // namespace fringe::cuda

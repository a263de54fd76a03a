// Convolutions by cuDNN (cudnn.h) as an alternative to conv3d.cu and conv3d_weights.cu, and what it needs around them:
// weights transposed on their way in or out, bias and LeakyReLU in a pass of their own.
//   transpose   a block of 32 x 8 threads moves 32 x 32 elements through shared memory; rows of 33, so that columns
//   have no conflicts
#include <limits>

#include "kernels/cuda/conv3d_cudnn.cuh"
#include "kernels/cuda/conv3d_sums.cuh"

namespace fringe::cuda {
namespace {

constexpr int tile = 32, tile_rows = 8;

/// to[c, r] = from[r, c]
__global__ void __launch_bounds__(tile* tile_rows)
    transpose_kernel(const float* __restrict__ from, float* __restrict__ to, int rows, int columns) {
  begin_kernel();
  __shared__ float part[tile][tile + 1];
  const int x = static_cast<int>(threadIdx.x), r0 = static_cast<int>(blockIdx.y) * tile,
            c0 = static_cast<int>(blockIdx.x) * tile;
  for (int y = static_cast<int>(threadIdx.y); y < tile; y += tile_rows)
    if (r0 + y < rows && c0 + x < columns) part[y][x] = from[static_cast<Index>(r0 + y) * columns + c0 + x];
  __syncthreads();
  for (int y = static_cast<int>(threadIdx.y); y < tile; y += tile_rows)
    if (c0 + y < columns && r0 + x < rows) to[static_cast<Index>(c0 + y) * rows + r0 + x] = part[x][y];
}

/// y = leaky_relu(y + bias, slope), `Wide` elements at a time; bias may be null.
template <class Wide>
__global__ void add_bias_kernel(float* y, const float* bias, float slope, Index size, int channels) {
  begin_kernel();
  constexpr int width = sizeof(Wide) / sizeof(float);
  const bool short_indices = size <= std::numeric_limits<int>::max();  // whose remainders are much cheaper
  for (Index i = width * global_thread(); i < size; i += width * global_threads()) {
    const int c = short_indices ? static_cast<int>(i) % channels : static_cast<int>(i % channels);
    alignas(Wide) float v[width];
    *reinterpret_cast<Wide*>(v) = *reinterpret_cast<const Wide*>(y + i);
#pragma unroll
    for (int e = 0; e < width; ++e) {
      const float sum = v[e] + (bias != nullptr ? bias[c + e] : 0.0F);
      v[e] = sum > 0 ? sum : slope * sum;
    }
    *reinterpret_cast<Wide*>(y + i) = *reinterpret_cast<const Wide*>(v);
  }
}

void transpose(Stream& stream, const float* from, float* to, Index rows, Index columns) {
  const dim3 grid(static_cast<unsigned>(blocks_for<Index>(columns, tile)),
                  static_cast<unsigned>(blocks_for<Index>(rows, tile)));
  LAUNCH(transpose_kernel, grid, dim3(tile, tile_rows), 0, stream, from, to, static_cast<int>(rows),
         static_cast<int>(columns));
}

/// Scratch memory: weights as cuDNN wants them, and its work space.
struct Scratch {
  float *weights, *workspace;
  Scratch(Stream& stream, const cudnn::Convolution& c) {
    const Index size = (c.kernel.size() + 15) / 16 * 16;
    weights = stream.scratch<float>(size + static_cast<Index>(cudnn::workspace(c) / sizeof(float)) + 1);
    workspace = weights + size;
  }
};

Index weight_rows(const Shape& kernel) { return kernel.size() / kernel.c; }  // taps * Ci

}  // namespace

std::optional<cudnn::Convolution> convolution_for_cudnn(const Stream& stream, cudnn::Pass pass, const Shape& volume,
                                                        const Shape& kernel, std::initializer_list<Operand> operands) {
  if (stream.precision() == Precision::bfloat16) return {};
  for (const Operand& o : operands)
    if (o.y != nullptr || o.affine != nullptr || o.upsampled) return {};  // formed or normalised while it is read
  const cudnn::Convolution c{pass, volume, kernel, stream.precision() == Precision::tf32};
  if (!cudnn::can(c)) return {};
  return c;
}

void convolve_by_cudnn(Stream& stream, const cudnn::Convolution& c, const float* x, const float* w, const float* bias,
                       float slope, View<float> y) {
  const Scratch s(stream, c);
  transpose(stream, w, s.weights, weight_rows(c.kernel), c.kernel.c);
  cudnn::run(stream, c, x, s.weights, y.data, s.workspace);
  if (bias == nullptr && slope == 1) return;
  const auto channels = static_cast<int>(y.shape.c);
  if (channels % 4 == 0 && aligned_16(y.data))
    LAUNCH(add_bias_kernel<float4>, grid_for(y.size() / 4, 256), 256, 0, stream, y.data, bias, slope, y.size(), channels);
  else
    LAUNCH(add_bias_kernel<float>, grid_for(y.size(), 256), 256, 0, stream, y.data, bias, slope, y.size(), channels);
}

void weight_gradient_by_cudnn(Stream& stream, const cudnn::Convolution& c, const Operand& x, const Operand& dy,
                              View<float> dw, View<float> db) {
  const Scratch s(stream, c);
  cudnn::run(stream, c, x.x, dy.x, s.weights, s.workspace);
  transpose(stream, s.weights, dw.data, c.kernel.c, weight_rows(c.kernel));
  if (db) row_sums(stream, c.volume, dy, db.data);
}

}  // namespace fringe::cuda

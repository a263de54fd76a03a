// Strategy. add_parts: a block of 256 threads takes 32 sums; thread (slice, i) adds every eighth part of sum i, neighbours
// reading neighbours; the eight slices are added in order through shared memory. So a sum of many parts and few elements
// (the first layer's 864 weights) has enough reads in flight.
// Sums over voxels: block (part, 32 channels); thread (slice, channel) takes every eighth row of the part's rows, and slices
// and then parts are added in order. Parts depend on the number of rows alone.
//   shared   float part[8][32]: a warp is a row, no conflicts
//
// statistics: thread, block and the last kernel each hold (count, mean, sum of squared deviations) of their rows, which are
// merged pairwise: with d = mean_b - mean_a and n = n_a + n_b, mean = mean_a + d n_b / n and M = M_a + M_b + d^2 n_a n_b / n.
// A mean far larger than the deviation cancels nowhere. (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for
// computing sample variances", 1979.)
#include <algorithm>

#include "kernels/cuda/conv3d_sums.cuh"

namespace fringe::cuda {
namespace {

constexpr int width = 32, slices = 8, threads = width * slices;

/// The sum over slices, in their order, in all threads. May be called again at once.
__device__ __forceinline__ float add_slices(float value) {
  __shared__ float part[slices][width];
  const int i = static_cast<int>(threadIdx.x) % width, slice = static_cast<int>(threadIdx.x) / width;
  __syncthreads();  // an earlier call's parts may still be being read
  part[slice][i] = value;
  __syncthreads();
  float sum = 0;
#pragma unroll
  for (int k = 0; k < slices; ++k) sum += part[k][i];
  return sum;
}

__global__ void __launch_bounds__(threads)
    add_parts_kernel(const float* __restrict__ parts, int count, Index stride, Index size, float* __restrict__ sums) {
  const Index i = static_cast<Index>(blockIdx.x) * width + threadIdx.x % width;
  float sum = 0;
  if (i < size)
    for (int k = static_cast<int>(threadIdx.x) / width; k < count; k += slices) sum += parts[k * stride + i];
  sum = add_slices(sum);
  if (threadIdx.x < width && i < size) sums[i] = sum;
}

/// Rows of this block, and the channel of this thread.
struct Share {
  Index first, last;
  int channel, slice;
};
__device__ __forceinline__ Share share(Index rows, Index rows_of_part) {
  const Index first = blockIdx.x * rows_of_part;
  return {first, min(first + rows_of_part, rows), static_cast<int>(blockIdx.y) * width + static_cast<int>(threadIdx.x) % width,
          static_cast<int>(threadIdx.x) / width};
}

__global__ void __launch_bounds__(threads)
    row_sums_kernel(ConvTile volume, Operand dy, Index rows, Index rows_of_part, float* __restrict__ parts) {
  const Share s = share(rows, rows_of_part);
  float sum = 0;
  if (s.channel < dy.channels)
    for (Index r = s.first + s.slice; r < s.last; r += slices) {
      const int voxel = static_cast<int>(r), w = voxel % volume.w, h = voxel / volume.w % volume.h;
      const int rest = voxel / volume.w / volume.h, d = rest % volume.d;
      sum += dy.value(voxel, dy.needs_half() ? volume.half({rest / volume.d, d, h, w}, 0, 0, 0) : 0, s.channel);
    }
  sum = add_slices(sum);
  if (s.slice == 0 && s.channel < dy.channels) parts[static_cast<Index>(blockIdx.x) * dy.channels + s.channel] = sum;
}

struct Moments {
  float count, mean, deviations;
};

__device__ __forceinline__ Moments merge(const Moments& a, const Moments& b) {
  const float n = a.count + b.count;
  if (b.count == 0) return a;
  const float d = b.mean - a.mean, share_b = b.count / n;
  return {n, a.mean + d * share_b, a.deviations + b.deviations + d * d * a.count * share_b};
}

__device__ __forceinline__ Moments merge_slices(const Moments& mine) {
  __shared__ Moments part[slices][width];
  const int i = static_cast<int>(threadIdx.x) % width;
  part[threadIdx.x / width][i] = mine;
  __syncthreads();
  Moments all = part[0][i];
#pragma unroll 1
  for (int k = 1; k < slices; ++k) all = merge(all, part[k][i]);
  return all;
}

__global__ void __launch_bounds__(threads)
    moments_kernel(const float* __restrict__ y, Index rows, Index rows_of_part, int channels, Moments* __restrict__ parts) {
  const Share s = share(rows, rows_of_part);
  Moments mine{0, 0, 0};
  if (s.channel < channels) {
#pragma unroll 1  // several divisions at once spill registers
    for (Index r = s.first + s.slice; r < s.last; r += slices) mine = merge(mine, {1, y[r * channels + s.channel], 0});
  }
  const Moments all = merge_slices(mine);
  if (s.slice == 0 && s.channel < channels) parts[static_cast<Index>(blockIdx.x) * channels + s.channel] = all;
}

__global__ void __launch_bounds__(threads)
    merge_moments_kernel(const Moments* __restrict__ parts, int count, int channels, float* __restrict__ mean_and_variance) {
  const int c = static_cast<int>(blockIdx.x) * width + static_cast<int>(threadIdx.x) % width;
  Moments mine{0, 0, 0};
  if (c < channels)
    for (int k = static_cast<int>(threadIdx.x) / width; k < count; k += slices)
      mine = merge(mine, parts[static_cast<Index>(k) * channels + c]);
  const Moments all = merge_slices(mine);
  if (threadIdx.x < width && c < channels) {
    mean_and_variance[c] = all.mean;
    mean_and_variance[channels + c] = all.deviations / all.count;
  }
}

/// parts[block] = (sum dx (x - centre), sum dx).
__global__ void __launch_bounds__(threads)
    affine_gradient_kernel(const float* __restrict__ dx, const float* __restrict__ x, const float* __restrict__ affine,
                           Index rows, Index rows_of_part, int channels, float* __restrict__ parts) {
  const Share s = share(rows, rows_of_part);
  float sum = 0, moment = 0;
  if (s.channel < channels) {
    const float centre = affine[channels + s.channel];
    for (Index r = s.first + s.slice; r < s.last; r += slices) {
      const Index at = r * channels + s.channel;
      sum += dx[at];
      moment = fmaf(dx[at], x[at] - centre, moment);
    }
  }
  sum = add_slices(sum);
  moment = add_slices(moment);
  if (s.slice != 0 || s.channel >= channels) return;
  float* const to = parts + static_cast<Index>(blockIdx.x) * 2 * channels + s.channel;
  to[0] = moment, to[channels] = sum;
}

__global__ void finish_affine_gradient_kernel(const float* __restrict__ parts, int count, const float* __restrict__ affine,
                                              int channels, float* __restrict__ daffine) {
  const int c = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (c >= channels) return;
  float moment = 0, sum = 0;
  for (int k = 0; k < count; ++k) {
    moment += parts[static_cast<Index>(k) * 2 * channels + c];
    sum += parts[static_cast<Index>(k) * 2 * channels + channels + c];
  }
  daffine[c] = moment, daffine[channels + c] = -affine[c] * sum, daffine[2 * channels + c] = sum;
}

int parts_of(Index rows) { return static_cast<int>(std::clamp<Index>(rows / 64, 1, 256)); }

dim3 grid_of(int parts, int channels) {
  return {static_cast<unsigned>(parts), static_cast<unsigned>(blocks_for(channels, width)), 1};
}

}  // namespace

void add_parts(Stream& stream, const float* parts, int count, Index stride, Index size, float* sums) {
  LAUNCH(add_parts_kernel, static_cast<unsigned>(blocks_for<Index>(size, width)), threads, 0, stream, parts, count, stride,
         size, sums);
}

void row_sums(Stream& stream, const Shape& volume, const Operand& dy, float* sums) {
  const Index rows = volume.rows();
  const int parts = parts_of(rows);
  float* const scratch = stream.scratch<float>(Index{parts} * dy.channels);
  LAUNCH(row_sums_kernel, grid_of(parts, dy.channels), threads, 0, stream, ConvTile::choose(volume, {1, 1, 1, 1, 1}), dy, rows,
         blocks_for<Index>(rows, parts), scratch);
  add_parts(stream, scratch, parts, dy.channels, dy.channels, sums);
}

void statistics(Stream& stream, ConstView<float> y, float* mean_and_variance) {
  const Index rows = y.shape.rows();
  const int parts = parts_of(rows), channels = static_cast<int>(y.shape.c);
  auto* const scratch = stream.scratch<Moments>(Index{parts} * channels);
  LAUNCH(moments_kernel, grid_of(parts, channels), threads, 0, stream, y.data, rows, blocks_for<Index>(rows, parts), channels,
         scratch);
  LAUNCH(merge_moments_kernel, static_cast<unsigned>(blocks_for(channels, width)), threads, 0, stream, scratch, parts, channels,
         mean_and_variance);
}

void affine_gradient(Stream& stream, ConstView<float> dx, const float* x, const float* affine, float* daffine) {
  const Index rows = dx.shape.rows();
  const int parts = parts_of(rows), channels = static_cast<int>(dx.shape.c);
  float* const scratch = stream.scratch<float>(Index{parts} * 2 * channels);
  LAUNCH(affine_gradient_kernel, grid_of(parts, channels), threads, 0, stream, dx.data, x, affine, rows,
         blocks_for<Index>(rows, parts), channels, scratch);
  LAUNCH(finish_affine_gradient_kernel, static_cast<unsigned>(blocks_for(channels, width)), width, 0, stream, scratch, parts,
         affine, channels, daffine);
}

}  // namespace fringe::cuda

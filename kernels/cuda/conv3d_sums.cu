// Strategy. add_parts: a block of 256 threads takes 32 sums; thread (slice, i) adds every eighth part of sum i, neighbours
// reading neighbours; the eight slices are added in order through shared memory. So a sum of many parts and few elements
// (the first layer's 864 weights) has enough reads in flight.
//
// Sums over voxels, in two stages. First, block (part, 32 channels) takes its part of the rows: 8, 16 or 32 lanes are channels,
// the other threads of the block are slices of the rows, and each has eight rows in flight (what limits such a kernel is how much
// it has asked for). Slices are added lane by lane within a warp and then in the order of the warps. Second, a warp a channel adds
// the parts, which lie channel by channel. Parts depend on the number of rows alone, so results depend on the shape alone.
//   shared   Sums part[8][32]: a warp is a row
//
// statistics: every sum is (count, mean, sum of squared deviations) of its rows; two of them are merged with d = mean_b - mean_a,
// n = n_a + n_b into mean = mean_a + d n_b / n and M = M_a + M_b + d^2 n_a n_b / n, eight rows into their own first. A mean far
// larger than the deviation cancels nowhere. (Chan, Golub, LeVeque, "Updating formulae and a pairwise algorithm for computing
// sample variances", 1979.)
#include <algorithm>

#include "kernels/cuda/conv3d_sums.cuh"

namespace fringe::cuda {
namespace {

constexpr int width = 32, slices = 8, threads = width * slices, rows_at_once = 8;

__global__ void __launch_bounds__(threads)
    add_parts_kernel(const float* __restrict__ parts, int count, Index stride, Index size, float* __restrict__ sums,
                     Index size_of_more, float* __restrict__ more) {
  begin_kernel();
  __shared__ float part[slices][width];
  const int lane = static_cast<int>(threadIdx.x) % width, slice = static_cast<int>(threadIdx.x) / width;
  const Index i = static_cast<Index>(blockIdx.x) * width + lane;
  float sum = 0;
  if (i < size + size_of_more) {
#pragma unroll 8
    for (int k = slice; k < count; k += slices) sum += parts[k * stride + i];
  }
  part[slice][lane] = sum;
  __syncthreads();
  if (slice != 0 || i >= size + size_of_more) return;
  sum = 0;
#pragma unroll
  for (int k = 0; k < slices; ++k) sum += part[k][lane];
  (i < size ? sums[i] : more[i - size]) = sum;
}

/// A sum of nothing is Total{}, TwoTotals{} or Moments{}; a.add(b) is a and then b; finish writes what was asked for of channel c.
struct Total {
  float sum;
  __device__ __forceinline__ void add(const Total& b) { sum += b.sum; }
  __device__ __forceinline__ Total shuffled_down(int lanes) const { return {__shfl_down_sync(0xffffffffU, sum, lanes)}; }
  __device__ __forceinline__ void finish(int c, int, const float*, float* sums) const { sums[c] = sum; }
};

struct TwoTotals {
  float moment, sum;
  __device__ __forceinline__ void add(const TwoTotals& b) { moment += b.moment, sum += b.sum; }
  __device__ __forceinline__ TwoTotals shuffled_down(int lanes) const {
    return {__shfl_down_sync(0xffffffffU, moment, lanes), __shfl_down_sync(0xffffffffU, sum, lanes)};
  }
  __device__ __forceinline__ void finish(int c, int channels, const float* affine, float* daffine) const {
    daffine[c] = moment, daffine[channels + c] = -affine[c] * sum, daffine[2 * channels + c] = sum;
  }
};

struct Moments {
  float count, mean, deviations;
  __device__ __forceinline__ void add(const Moments& b) {
    if (b.count == 0) return;
    const float n = count + b.count, d = b.mean - mean, share_b = b.count / n;
    deviations += b.deviations + d * d * count * share_b;
    mean += d * share_b;
    count = n;
  }
  __device__ __forceinline__ Moments shuffled_down(int lanes) const {
    return {__shfl_down_sync(0xffffffffU, count, lanes), __shfl_down_sync(0xffffffffU, mean, lanes),
            __shfl_down_sync(0xffffffffU, deviations, lanes)};
  }
  __device__ __forceinline__ void finish(int c, int channels, const float*, float* mean_and_variance) const {
    mean_and_variance[c] = mean, mean_and_variance[channels + c] = deviations / count;
  }
};

/// The rows of this block and the channel of this thread.
struct Share {
  Index rows, rows_of_part;
  int channels;
  int lanes;  ///< that are channels: 8, 16 or 32

  __device__ __forceinline__ int channel() const {
    return static_cast<int>(blockIdx.y) * width + static_cast<int>(threadIdx.x) % lanes;
  }
  __device__ __forceinline__ int stride() const { return threads / lanes; }
  __device__ __forceinline__ Index first() const { return blockIdx.x * rows_of_part + threadIdx.x / lanes; }
  __device__ __forceinline__ Index last() const { return min((blockIdx.x + Index{1}) * rows_of_part, rows); }

  /// Adds up the slices, and writes the block's part: parts[channel][part].
  template <class Sums>
  __device__ __forceinline__ void write(Sums mine, Sums* parts) const {
    __shared__ Sums part[slices][width];
    const int lane = static_cast<int>(threadIdx.x) % width, warp = static_cast<int>(threadIdx.x) / width;
    for (int down = width / 2; down >= lanes; down /= 2) mine.add(mine.shuffled_down(down));
    part[warp][lane] = mine;
    __syncthreads();
    if (warp != 0 || lane >= lanes || channel() >= channels) return;
    Sums all = part[0][lane];
#pragma unroll 1
    for (int k = 1; k < slices; ++k) all.add(part[k][lane]);
    parts[static_cast<Index>(channel()) * gridDim.x + blockIdx.x] = all;
  }
};

/// The second stage: a warp a channel. `affine` is for those whose result needs it.
template <class Sums>
__global__ void __launch_bounds__(threads)
    finish_sums_kernel(const Sums* __restrict__ parts, int count, int channels, const float* __restrict__ affine,
                       float* __restrict__ result) {
  begin_kernel();
  constexpr int at_once = 4;  // in flight
  const int c = static_cast<int>(global_thread()) / width, lane = static_cast<int>(threadIdx.x) % width;
  if (c >= channels) return;
  const Sums* const of_channel = parts + static_cast<Index>(c) * count;
  Sums mine{};
#pragma unroll 1
  for (int k = lane; k < count; k += at_once * width) {
    Sums some[at_once];
#pragma unroll
    for (int i = 0; i < at_once; ++i) some[i] = k + i * width < count ? of_channel[k + i * width] : Sums{};
#pragma unroll
    for (int i = 0; i < at_once; ++i) mine.add(some[i]);
  }
  for (int down = width / 2; down > 0; down /= 2) mine.add(mine.shuffled_down(down));
  if (lane == 0) mine.finish(c, channels, affine, result);
}

__global__ void __launch_bounds__(threads) row_sums_kernel(ConvTile volume, Operand dy, Share share, Total* __restrict__ parts) {
  begin_kernel();
  Total mine{};
  if (const int c = share.channel(); c < share.channels) {
#pragma unroll 2
    for (Index r = share.first(); r < share.last(); r += share.stride()) {
      const int voxel = static_cast<int>(r), w = voxel % volume.w, h = voxel / volume.w % volume.h;
      const int rest = voxel / volume.w / volume.h, d = rest % volume.d;
      mine.sum += dy.value(voxel, dy.needs_half() ? volume.half({rest / volume.d, d, h, w}, 0, 0, 0) : 0, c);
    }
  }
  share.write(mine, parts);
}

__global__ void __launch_bounds__(threads)
    moments_kernel(const float* __restrict__ y, Share share, Moments* __restrict__ parts) {
  begin_kernel();
  Moments mine{};
  if (const int c = share.channel(); c < share.channels) {
#pragma unroll 1  // several divisions at once spill registers
    for (Index r = share.first(); r < share.last(); r += rows_at_once * share.stride()) {
      float v[rows_at_once];
#pragma unroll
      for (int i = 0; i < rows_at_once; ++i) {
        const Index row = r + i * share.stride();
        v[i] = row < share.last() ? y[row * share.channels + c] : 0;
      }
      const Index left = (share.last() - r + share.stride() - 1) / share.stride();
      Moments eight{};
      eight.count = static_cast<float>(min(left, Index{rows_at_once}));
#pragma unroll
      for (int i = 0; i < rows_at_once; ++i) eight.mean += v[i];
      eight.mean /= eight.count;
#pragma unroll
      for (int i = 0; i < rows_at_once; ++i)
        if (i < left) eight.deviations = fmaf(v[i] - eight.mean, v[i] - eight.mean, eight.deviations);
      mine.add(eight);
    }
  }
  share.write(mine, parts);
}

/// The sums of dx (x - centre) and of dx.
__global__ void __launch_bounds__(threads)
    affine_gradient_kernel(const float* __restrict__ dx, const float* __restrict__ x, const float* __restrict__ affine,
                           Share share, TwoTotals* __restrict__ parts) {
  begin_kernel();
  TwoTotals mine{};
  if (const int c = share.channel(); c < share.channels) {
    const float centre = affine[share.channels + c];
#pragma unroll 8
    for (Index r = share.first(); r < share.last(); r += share.stride()) {
      const Index at = r * share.channels + c;
      mine.sum += dx[at];
      mine.moment = fmaf(dx[at], x[at] - centre, mine.moment);
    }
  }
  share.write(mine, parts);
}

/// How sums over `rows` of `channels` are cut: 128 rows a part at least, four blocks for each multiprocessor at most.
struct Cut {
  Share share;
  int parts;
  dim3 grid;             ///< of the first stage
  unsigned warp_blocks;  ///< of the second

  Cut(Index rows, Index channels) {
    const Index wanted = std::clamp<Index>(rows / 128, 1, 512);
    share = {rows, blocks_for(rows, wanted), static_cast<int>(channels), channels <= 8 ? 8 : channels <= 16 ? 16 : width};
    parts = static_cast<int>(blocks_for(rows, share.rows_of_part));
    grid = {static_cast<unsigned>(parts), static_cast<unsigned>(blocks_for<Index>(channels, width)), 1};
    warp_blocks = static_cast<unsigned>(blocks_for<Index>(channels, slices));
  }
};

}  // namespace

void add_parts(Stream& stream, const float* parts, int count, Index stride, View<float> sums, View<float> more) {
  const Index size = sums.size(), size_of_more = more ? more.size() : 0;
  LAUNCH(add_parts_kernel, static_cast<unsigned>(blocks_for<Index>(size + size_of_more, width)), threads, 0, stream, parts, count,
         stride, size, sums.data, size_of_more, more.data);
}

void row_sums(Stream& stream, const Shape& volume, const Operand& dy, float* sums) {
  const Cut cut(volume.rows(), dy.channels);
  auto* const parts = stream.scratch<Total>(Index{cut.parts} * dy.channels);
  LAUNCH(row_sums_kernel, cut.grid, threads, 0, stream, ConvTile::choose(volume, {1, 1, 1, 1, 1}), dy, cut.share, parts);
  LAUNCH(finish_sums_kernel<Total>, cut.warp_blocks, threads, 0, stream, parts, cut.parts, dy.channels, nullptr, sums);
}

void statistics(Stream& stream, ConstView<float> y, float* mean_and_variance) {
  const Cut cut(y.shape.rows(), y.shape.c);
  auto* const parts = stream.scratch<Moments>(Index{cut.parts} * y.shape.c);
  LAUNCH(moments_kernel, cut.grid, threads, 0, stream, y.data, cut.share, parts);
  LAUNCH(finish_sums_kernel<Moments>, cut.warp_blocks, threads, 0, stream, parts, cut.parts, static_cast<int>(y.shape.c), nullptr,
         mean_and_variance);
}

void affine_gradient(Stream& stream, ConstView<float> dx, const float* x, const float* affine, float* daffine) {
  const Cut cut(dx.shape.rows(), dx.shape.c);
  auto* const parts = stream.scratch<TwoTotals>(Index{cut.parts} * dx.shape.c);
  LAUNCH(affine_gradient_kernel, cut.grid, threads, 0, stream, dx.data, x, affine, cut.share, parts);
  LAUNCH(finish_sums_kernel<TwoTotals>, cut.warp_blocks, threads, 0, stream, parts, cut.parts, static_cast<int>(dx.shape.c), affine,
         daffine);
}

}  // namespace fringe::cuda

// conv3d weight gradient (3) and bias gradient (4) on CUDA.
//
// Strategy. dw as a matrix has rows (tap, input channel), columns output channels, and sums over voxels: few elements, long
// sums. A block computes all taps of 16 (or 32) input channels x 32 output channels, summed over its share of the boxes of
// 128 voxels. For each box it brings the halo of x and the box of dy into shared memory once (two boxes in flight by
// cp.async, one barrier a box); a tap is a shift of halo rows, as in conv3d.cu.
//
//   grid      (share of the boxes, block of input channels x group of 32 row blocks, block of 32 output channels)
//   block     8 warps; the rows are cut into row blocks (tap, 16 channels), 27 for 3x3x3; a warp has up to four of them, 16 x 32
//             sums each. Where that leaves warps without one (3x1x1: three or six), warps share the voxels of a box instead: warp
//             (slice, i) of `slices` has row blocks i, i + 8 / slices, ... and 128 / slices voxels; slices are added in order
//   shared    int coordinates[halo_rows]            place in the halo, 10 bits an axis; the same for every box
//             per stage: float4 x[quads][plane]     channels in quads: a fragment (8 channels x 4 voxels) is 4 words of 4
//                                                   neighbouring rows of 2 planes, every bank once
//                        float dy[128][40]          rows of 8 mod 32 words: a fragment (4 voxels x 8 channels) likewise
//             at the end: float4 others[slice - 1][warp of a slice][4][4][32]    sums of all slices but the first
//             float sums[8][32]                     of the bias gradient
//
// Every block writes its sums to scratch memory and a second kernel (conv3d_sums.cu) adds the shares in order: bitwise
// reproducible. The bias gradient is summed by the blocks that see the first input channels, from the same copies of dy.
// One input or one output channel: conv3d_single.cu.
#include <algorithm>

#include "kernels/cuda/choices.h"
#include "kernels/cuda/conv3d_cudnn.cuh"
#include "kernels/cuda/conv3d_multiply.cuh"
#include "kernels/cuda/conv3d_operand.cuh"
#include "kernels/cuda/conv3d_single.cuh"
#include "kernels/cuda/conv3d_sums.cuh"
#include "kernels/cuda/conv3d_tile.cuh"

namespace fringe::cuda {
namespace {

constexpr int warps = 8, threads = 32 * warps, stages = 2;
constexpr int columns = 32, dy_row = columns + 8;
constexpr int blocks_of_warp = 4;

struct WeightsCall {
  ConvTile tile;
  Operand x, dy;  ///< dy without affine
  float* parts;   ///< [share][dw, then db]
  int ci, co;
  int log_quads;  ///< of the quads of input channels in a block, 4 or 8
  int slices;  ///< of the voxels of a box: 1, 2, 4 or 8
  int warps_of_slice, voxels_of_slice;
  int groups;  ///< of row blocks
  int boxes_per_share;

  __host__ __device__ int quads() const { return 1 << log_quads; }
  __host__ __device__ int blocks_of_group() const { return warps_of_slice * blocks_of_warp; }

  __host__ __device__ int coordinate_bytes() const { return (tile.halo_rows + 3) / 4 * 16; }
  __host__ __device__ int stage_quads() const { return quads() * plane_of(tile.halo_rows) + ConvTile::voxels * dy_row / 4; }
};

template <Precision P>
__global__ void __launch_bounds__(threads, P == Precision::float32 ? 1 : 2) conv3d_weights_kernel(WeightsCall call) {
  begin_kernel();
  const ConvTile& tile = call.tile;
  const int plane = plane_of(tile.halo_rows), taps = tile.taps();
  DYN_SHARED(unsigned char, memory);
  __shared__ float sums[warps][columns];
  int* const coordinates = reinterpret_cast<int*>(memory);
  float4* const stage = reinterpret_cast<float4*>(memory + call.coordinate_bytes());

  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  const int share = static_cast<int>(blockIdx.x);
  const int c0 = static_cast<int>(blockIdx.y) / call.groups * 4 * call.quads();
  const int group = static_cast<int>(blockIdx.y) % call.groups, o0 = static_cast<int>(blockIdx.z) * columns;
  for (int row = thread; row < tile.halo_rows; row += threads) {
    const int in_w = row % tile.halo_w, rest = row / tile.halo_w;
    coordinates[row] = (rest / tile.halo_h << 20) | (rest % tile.halo_h << 10) | in_w;
  }
  __syncthreads();

  const int first = share * call.boxes_per_share, last = min(first + call.boxes_per_share, tile.tiles);
  // This thread's quads of a halo are every (threads / quads)-th row of one plane; of dy, every 32nd voxel of one quad.
  const int my_quad = thread & (call.quads() - 1), my_row = thread >> call.log_quads, rows_at_once = threads >> call.log_quads;
  const int c_of_quad = c0 + 4 * my_quad, my_column = thread % (columns / 4), o_of_quad = o0 + 4 * my_column;
  /// The row of x behind a row of the halo, -1 outside.
  const auto row_of_x = [&](const ConvTile::Corner& corner, int row) {
    const int at = coordinates[row];
    const int in_d = (at >> 20) - tile.kd / 2, in_h = (at >> 10 & 1023) - tile.kh / 2, in_w = (at & 1023) - tile.kw / 2;
    const int voxel = tile.voxel(corner, in_d, in_h, in_w);
    return voxel >= 0 && call.x.upsampled ? tile.half(corner, in_d, in_h, in_w) >> 3 : voxel;
  };
  const auto load = [&](int box) {  // stages take turns
    if (box < last) {
      const auto corner = tile.corner(box);
      float4* const x = stage + ((box - first) & 1) * call.stage_quads();
      float4* const to_x = x + my_quad * plane;
      if (call.x.aligned) {
#pragma unroll 1
        for (int row = my_row; row < tile.halo_rows; row += rows_at_once) {
          const int from = c_of_quad < call.ci ? row_of_x(corner, row) : -1;
          ptx::copy_async_16(to_x + row, call.x.x + (from < 0 ? 0 : static_cast<Index>(from) * call.ci + c_of_quad), from >= 0);
        }
      } else {
#pragma unroll 1
        for (int row = my_row; row < tile.halo_rows; row += rows_at_once) {
          const int from = row_of_x(corner, row);
          copy_quad(to_x + row, from < 0 ? nullptr : call.x.x + static_cast<Index>(from) * call.ci, call.x.x, c_of_quad, call.ci,
                    false);
        }
      }
      float4* const to_dy = x + call.quads() * plane + my_column;
#pragma unroll 1
      for (int m = thread / (columns / 4); m < ConvTile::voxels; m += threads / (columns / 4))
        call.dy.fetch(to_dy + m * (dy_row / 4), tile.box_voxel(corner, m), call.dy.needs_half() ? tile.box_half(corner, m) : 0,
                      o_of_quad);
    }
    ptx::copy_async_commit();
  };
  const auto normalise = [&](int box, float4* x) {  // what this thread has copied
    const auto corner = tile.corner(box);
    const Normalisation normalisation(call.x, c_of_quad);
    float4* const of_plane = x + my_quad * plane;
#pragma unroll 1
    for (int row = my_row; row < tile.halo_rows; row += rows_at_once)
      if (row_of_x(corner, row) >= 0) of_plane[row] = normalisation(of_plane[row]);
  };

  // Row block b of this warp and its place in x. One that does not exist repeats block 0's data; its sums are dropped.
  const int channel_blocks = call.quads() / 4, row_blocks = taps * channel_blocks;
  const int slice = warp / call.warps_of_slice, warp_of_slice = warp % call.warps_of_slice;
  const auto row_block = [&](int b) { return group * call.blocks_of_group() + warp_of_slice + call.warps_of_slice * b; };
  int offset[blocks_of_warp];
#pragma unroll
  for (int b = 0; b < blocks_of_warp; ++b) {
    const int block = row_block(b);
    offset[b] = block < row_blocks ? block % channel_blocks * 4 * plane + tile.shift(block / channel_blocks) : 0;
  }

  float sum[blocks_of_warp][columns / 8][4] = {};
  float bias_sum = 0;
  const bool sums_bias = blockIdx.y == 0;
  for (int box = first - 1; box < last; ++box) {  // begins by loading the first, so that the copies' code is there once
    float4* const x = stage + ((box - first) & 1) * call.stage_quads();
    if (box >= first) {
      ptx::copy_async_wait<0>();
      if (call.x.affine != nullptr) normalise(box, x);
      __syncthreads();  // this box is there for all, and nobody reads the stage of the last one
    }
    load(box + 1);
    if (box < first) continue;
    const float* const dy = reinterpret_cast<const float*>(x + call.quads() * plane);
    if (sums_bias)
      for (int m = warp; m < ConvTile::voxels; m += warps) bias_sum += dy[m * dy_row + lane];
    const float* const words = reinterpret_cast<const float*>(x);
    for (int m = slice * call.voxels_of_slice; m < (slice + 1) * call.voxels_of_slice; m += chunk_of<P>) {
      if constexpr (P == Precision::float32) {
        multiply_plain(
            sum,
            [&](int quad, int b, int e) {
              const int c = sum_row<P>(lane, 0, e);  // channel of the row block
              const float* const at = words + 4 * (offset[b] + c / 4 * plane) + c % 4;
              return make_float4(at[4 * tile.first_row(m + 4 * quad)], at[4 * tile.first_row(m + 4 * quad + 1)],
                                 at[4 * tile.first_row(m + 4 * quad + 2)], at[4 * tile.first_row(m + 4 * quad + 3)]);
            },
            [&](int quad, int j) {
              const float* const at = dy + (m + 4 * quad) * dy_row + sum_column<P>(lane, j, 0);
              return make_float4(at[0], at[dy_row], at[2 * dy_row], at[3 * dy_row]);
            });
      } else {
        const int g = lane >> 2, t = lane & 3;
        int row[chunk_of<P> / 4];  // of voxels t, t+4, ... of this chunk
#pragma unroll
        for (int i = 0; i < chunk_of<P> / 4; ++i) row[i] = tile.first_row(m + 4 * i + t);
        multiply_tensor<P>(
            sum,
            [&](int half, int b, std::uint32_t(&a)[4]) {
              const float* const at = words + 4 * (offset[b] + (g >> 2) * plane) + (g & 3);
              a[0] = __float_as_uint(at[4 * row[2 * half]]), a[1] = __float_as_uint(at[4 * (row[2 * half] + 2 * plane)]);
              a[2] = __float_as_uint(at[4 * row[2 * half + 1]]),
              a[3] = __float_as_uint(at[4 * (row[2 * half + 1] + 2 * plane)]);
            },
            [&](int half, int j, std::uint32_t(&b)[2]) {
              const float* const at = dy + (m + 8 * half + t) * dy_row + 8 * j + g;
              b[0] = __float_as_uint(at[0]), b[1] = __float_as_uint(at[4 * dy_row]);
            });
      }
    }
  }

  if (sums_bias) sums[warp][lane] = bias_sum;
  if (call.slices > 1) {  // their sums go where x and dy were
    constexpr int of_warp = blocks_of_warp * columns / 8;
    __syncthreads();  // which all warps have read
    float4* const others = stage + (warp - call.warps_of_slice) * of_warp * 32 + lane;
    if (slice > 0)
#pragma unroll
      for (int i = 0; i < of_warp; ++i) {
        const float* const s = sum[i / (columns / 8)][i % (columns / 8)];
        others[i * 32] = make_float4(s[0], s[1], s[2], s[3]);
      }
    __syncthreads();
    if (slice == 0)
#pragma unroll 1
      for (int k = 1; k < call.slices; ++k)
#pragma unroll
        for (int i = 0; i < of_warp; ++i) {
          const float4 other = others[(k * call.warps_of_slice * of_warp + i) * 32];
          float* const s = sum[i / (columns / 8)][i % (columns / 8)];
          s[0] += other.x, s[1] += other.y, s[2] += other.z, s[3] += other.w;
        }
  }

  const Index size = static_cast<Index>(taps) * call.ci * call.co;
  float* const part = call.parts + share * (size + call.co);
#pragma unroll
  for (int b = 0; b < blocks_of_warp; ++b) {
    const int block = row_block(b);
    if (block >= row_blocks || slice > 0) continue;
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int c = c0 + block % channel_blocks * 16 + sum_row<P>(lane, 0, e);
      if (c >= call.ci) continue;
#pragma unroll
      for (int j = 0; j < columns / 8; ++j) {
        const int o = o0 + sum_column<P>(lane, j, e);
        if (o < call.co) part[(static_cast<Index>(block / channel_blocks) * call.ci + c) * call.co + o] = sum[b][j][e];
      }
    }
  }
  if (!sums_bias) return;
  __syncthreads();
  if (warp == 0 && o0 + lane < call.co) {
    float s = 0;
    for (int i = 0; i < warps; ++i) s += sums[i][lane];
    part[size + o0 + lane] = s;
  }
}

void weight_gradient_by_own(Stream& stream, const Shape& volume, const Operand& x, const Operand& dy, View<float> dw,
                            View<float> db) {
  const int ci = x.channels, co = dy.channels;
  constexpr int wanted_blocks = 256;  // two for each multiprocessor
  WeightsCall call{};
  ConvTile& tile = call.tile = ConvTile::choose(volume, dw.shape);
  call.x = x, call.dy = dy, call.ci = ci, call.co = co;
  call.log_quads = tile.taps() <= 5 && ci > 16 ? 3 : 2;
  const int row_blocks = tile.taps() * call.quads() / 4;
  call.slices = row_blocks <= 4 ? 8 : row_blocks <= 8 ? 4 : row_blocks <= 16 ? 2 : 1;
  call.warps_of_slice = warps / call.slices, call.voxels_of_slice = ConvTile::voxels / call.slices;
  call.groups = blocks_for(row_blocks, call.blocks_of_group());
  const int channel_blocks = blocks_for(ci, 4 * call.quads()) * call.groups, column_blocks = blocks_for(co, columns);
  const int shares = std::clamp(wanted_blocks / (channel_blocks * column_blocks), 1, tile.tiles);
  call.boxes_per_share = blocks_for(tile.tiles, shares);
  const int used = blocks_for(tile.tiles, call.boxes_per_share);
  const Index size = dw.shape.size();
  call.parts = stream.scratch<float>(used * (size + co));
  static_assert(stages * (4 * plane_of(ConvTile::voxels) + ConvTile::voxels * dy_row / 4) >=
                    (warps - 1) * blocks_of_warp * columns / 8 * 32,
                "the sums of the other slices have to fit in the least that x and dy take");
  const std::size_t shared = call.coordinate_bytes() + sizeof(float4) * stages * call.stage_quads();
  require_shared(tile, shared);
  const dim3 grid(used, channel_blocks, column_blocks);
  switch (stream.precision()) {
    case Precision::float32:
      LAUNCH(conv3d_weights_kernel<Precision::float32>, grid, threads, shared, stream, call);
      break;
    case Precision::tf32x3:
      LAUNCH(conv3d_weights_kernel<Precision::tf32x3>, grid, threads, shared, stream, call);
      break;
    case Precision::tf32:
      LAUNCH(conv3d_weights_kernel<Precision::tf32>, grid, threads, shared, stream, call);
      break;
    case Precision::bfloat16:
      LAUNCH(conv3d_weights_kernel<Precision::bfloat16>, grid, threads, shared, stream, call);
      break;
  }
  add_parts(stream, call.parts, used, size + co, dw, db);
}

}  // namespace

void weight_gradient(Stream& stream, const Shape& volume, const Operand& x, const Operand& dy, View<float> dw, View<float> db) {
  const int ci = x.channels, co = dy.channels;
  if (ci == 1 || co == 1) {
    if (ci == 1)
      single::correlate(stream, volume, dw.shape, x, dy, false, dw);
    else
      single::correlate(stream, volume, dw.shape, dy, x, true, dw);
    if (db) row_sums(stream, volume, dy, db.data);
    return;
  }
  const Work work{"conv3d_weights", volume, dw.shape, stream.precision()};
  const Candidate own{Way::own, [&] { weight_gradient_by_own(stream, volume, x, dy, dw, db); }};
  if (const auto c = convolution_for_cudnn(stream, cudnn::Pass::weights, volume, dw.shape, {x, dy}))
    run_one_of(stream, work, {own, {Way::cudnn, [&] { weight_gradient_by_cudnn(stream, *c, x, dy, dw, db); }}});
  else
    run_one_of(stream, work, {own});
}

void conv3d_backward_weights(Stream& stream, ConstView<float> x, ConstView<float> dy, View<float> dw, View<float> db) {
  conv3d::require_backward_weights(x.shape, dy.shape, dw.shape, db ? &db.shape : nullptr);
  weight_gradient(stream, x.shape, Operand::of(x), Operand::of(dy), dw, db);
}

}  // namespace fringe::cuda

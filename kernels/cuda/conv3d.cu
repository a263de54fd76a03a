// conv3d forward (1) and data gradient (2) on CUDA: implicit matrix product over a halo tile in shared memory.
//
// Strategy. The data gradient is a convolution of dy with the kernel flipped and its channels exchanged, so both are one
// product: rows are output voxels, columns output channels, and the sum runs over (tap, input channel). A block computes
// 128 voxels (a box, see conv3d_tile.cuh) x `Columns` channels. It walks over chunks of input channels; for each it brings
// the halo of the box into shared memory once and then runs over the taps, whose rows are shifted rows of the halo: the
// input crosses from L2 2 to 3 times instead of 27. Weights stream through beside it, three taps a step.
//
//   step s = (chunk, group of 3 taps);    `stages` steps are in flight by cp.async; one barrier a step
//   grid      (box, block of columns, split)
//   block     4 warps: 64 x 32 of the 128 x 64 sums each, or 32 x 32 of 128 x 32; see conv3d_multiply.cuh for the lanes
//   shared    int halo_voxel[halo_rows]         flat voxel of each halo row, -1 outside: found once, used in every chunk
//             int halo_half[halo_rows]          the same at half extents (ConvTile::half), where the operand needs it
//             int shift[taps]                   in rows of the halo
//             float4 x[buffers][quads][plane]   channels in quads
//             weights [stages], forward     [3 taps][channel][columns + 8]: with a row of 8 mod 32 words, a fragment (4
//                                           channels x 8 columns) touches every bank once
//                               data        [3 taps][quads][columns + 4] quads of dy's channels: as the halo's planes
//
// Small volumes (8^3, 4^3) have few boxes but many steps: the steps are cut into up to `splits` runs, each block writes
// its sums to scratch memory, and a second kernel adds them in order. There are no atomics: results are bitwise
// reproducible, and depend on the shape alone.
//
// One input or one output channel: conv3d_single.cu. Arrays as they are may go through cuDNN instead: conv3d_cudnn.cu.
//
// What bounds this kernel on an H200 are instructions that are no products (docs/cuda-convolution.md): so copies are unrolled, their
// addresses a base of the step plus an offset of the thread, and steps are counted, not divided.
#include <algorithm>
#include <limits>

#include "kernels/cuda/choices.h"
#include "kernels/cuda/conv3d_cudnn.cuh"
#include "kernels/cuda/conv3d_multiply.cuh"
#include "kernels/cuda/conv3d_operand.cuh"
#include "kernels/cuda/conv3d_single.cuh"
#include "kernels/cuda/conv3d_tile.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 128, stages = 3, group = 3;  // group: taps a step

struct Conv3dCall {
  ConvTile tile;
  Operand x;              ///< dy for the data gradient
  const float *w, *bias;  ///< bias may be null
  float slope;            ///< of the LeakyReLU that ends it; 1: none
  float* y;
  float* parts;  ///< [split][voxel][channel] when there are several splits, else null
  int ci, co;    ///< channels of x and y: exchanged, as seen from w, for the data gradient
  int rows;      ///< voxels of all samples
  int steps, steps_per_split;
  int buffers;     ///< of the halo
  bool w_aligned;  ///< rows begin at multiples of 16 bytes
  bool in_pairs;   ///< columns of y can be written two at a time
};

constexpr int halo_buffers(int taps) {
  // Steps in flight touch this many chunks: weights of a step and, at a chunk's first step, its halo are one group.
  const int groups = blocks_for(taps, group);
  return blocks_for(stages - 1, groups) + 1;
}

template <Precision P, int Columns, bool Transposed>
struct Conv3dShared {
  static constexpr int quads = chunk_of<P> / 4;
  static constexpr int weight_row = Columns + (Transposed ? 4 : 8);      ///< quads (transposed) or floats
  static constexpr int weight_stage = group * chunk_of<P> * weight_row;  ///< floats

  static constexpr int table_bytes(const ConvTile& t) { return (2 * t.halo_rows + t.taps() + 3) / 4 * 16; }
  static std::size_t bytes(const ConvTile& t) {
    const std::size_t halo = std::size_t(16) * quads * plane_of(t.halo_rows) * halo_buffers(t.taps());
    return table_bytes(t) + halo + sizeof(float) * weight_stage * stages;
  }
};

/// That registers should leave room for on a multiprocessor; shared memory leaves no room for more in bfloat16.
constexpr int resident_blocks(Precision p, int columns) {
  if (p == Precision::bfloat16) return columns == 64 ? 2 : 3;
  return columns == 64 || p == Precision::float32 ? 3 : 4;
}

__device__ __forceinline__ float leaky(float v, float slope) { return v > 0 ? v : slope * v; }

template <Precision P, int Columns, bool Transposed>
__global__ void __launch_bounds__(threads, resident_blocks(P, Columns)) conv3d_kernel(Conv3dCall call) {
  begin_kernel();
  using Shared = Conv3dShared<P, Columns, Transposed>;
  constexpr int chunk = chunk_of<P>, quads = Shared::quads;
  constexpr int warps_n = Columns / 32, warps_m = 4 / warps_n;
  constexpr int I = ConvTile::voxels / warps_m / 16, J = 4;
  const ConvTile& tile = call.tile;
  const int taps = tile.taps(), groups = blocks_for(taps, group), plane = plane_of(tile.halo_rows);

  DYN_SHARED(unsigned char, memory);
  int* const halo_voxel = reinterpret_cast<int*>(memory);
  int* const halo_half = halo_voxel + tile.halo_rows;
  int* const shift = halo_half + tile.halo_rows;
  float4* const halo = reinterpret_cast<float4*>(memory + Shared::table_bytes(tile));
  float* const weights = reinterpret_cast<float*>(halo + call.buffers * quads * plane);

  const int thread = static_cast<int>(threadIdx.x), lane = thread & 31, warp = thread >> 5;
  const auto corner = tile.corner(static_cast<int>(blockIdx.x));
  const int column0 = static_cast<int>(blockIdx.y) * Columns;
  for (int row = thread; row < tile.halo_rows; row += threads) {
    const int voxel = tile.halo_voxel(corner, row), half = call.x.needs_half() ? tile.halo_half(corner, row) : 0;
    halo_voxel[row] = voxel >= 0 && call.x.upsampled ? half >> 3 : voxel;
    halo_half[row] = half;
  }
  for (int tap = thread; tap < taps; tap += threads) shift[tap] = tile.shift(tap);
  __syncthreads();

  // This thread's quads of a halo are every (threads / quads)-th row of one plane.
  const int my_quad = thread % quads, my_row = thread / quads;
  const auto load_halo = [&](int c0, float4* halo_of_chunk) {
    const int c = c0 + 4 * my_quad;
    float4* const to = halo_of_chunk + my_quad * plane;
    if (call.x.is_gradient()) {
#pragma unroll 1
      for (int row = my_row; row < tile.halo_rows; row += threads / quads)
        to[row] = halo_voxel[row] < 0 ? make_float4(0, 0, 0, 0) : call.x.quad(halo_voxel[row], halo_half[row], c);
    } else if (call.x.aligned) {
      const float* const from = call.x.x + c;
#pragma unroll 2
      for (int row = my_row; row < tile.halo_rows; row += threads / quads) {
        const int voxel = c < call.ci ? halo_voxel[row] : -1;
        ptx::copy_async_16(to + row, voxel < 0 ? call.x.x : from + static_cast<Index>(voxel) * call.ci, voxel >= 0);
      }
    } else {
#pragma unroll 1
      for (int row = my_row; row < tile.halo_rows; row += threads / quads) {
        const int voxel = halo_voxel[row];
        copy_quad(to + row, voxel < 0 ? nullptr : call.x.x + static_cast<Index>(voxel) * call.ci, call.x.x, c, call.ci, false);
      }
    }
  };
  const auto normalise_halo = [&](int c0, float4* halo_of_chunk) {  // what this thread has copied
    float4* const of_plane = halo_of_chunk + my_quad * plane;
    const Normalisation normalisation(call.x, c0 + 4 * my_quad);
#pragma unroll 2
    for (int row = my_row; row < tile.halo_rows; row += threads / quads)
      if (halo_voxel[row] >= 0) of_plane[row] = normalisation(of_plane[row]);
  };
  // Quad i of a step's weights. Forward, rows of w are (tap, channel) and run over the columns; transposed they are (tap, column)
  // and run over dy's channels.
  const auto load_weights = [&]<bool Aligned>(int c0, int first_tap, float* to) {
    constexpr int count = group * chunk * Columns / 4;
    const int step_row = Transposed ? (taps - 1 - first_tap) * call.co : first_tap * call.ci + c0;
    const float* const of_step = call.w + step_row * (Transposed ? call.ci : call.co);
#pragma unroll
    for (int first = 0; first < count; first += threads) {
      const int i = first + thread;
      if (count % threads != 0 && i >= count) break;
      int u, row, column, columns;  // of w: row counts from that of the step, `column` is the first of four
      bool inside;
      float4* place;
      if constexpr (Transposed) {
        const int q = i % quads, n = i / quads % Columns;
        u = i / (quads * Columns);
        row = column0 + n - u * call.co, column = c0 + 4 * q, columns = call.ci;
        inside = column0 + n < call.co;
        place = reinterpret_cast<float4*>(to) + (u * quads + q) * Shared::weight_row + n;
      } else {
        constexpr int pieces = Columns / 4;
        const int piece = i % pieces, c = i / pieces % chunk;
        u = i / (pieces * chunk);
        row = u * call.ci + c, column = column0 + 4 * piece, columns = call.co;
        inside = c0 + c < call.ci;
        place = reinterpret_cast<float4*>(to + (u * chunk + c) * Shared::weight_row + 4 * piece);
      }
      inside = inside && first_tap + u < taps;
      if constexpr (Aligned) {
        inside = inside && column < columns;
        ptx::copy_async_16(place, inside ? of_step + row * columns + column : call.w, inside);
      } else {
        copy_quad(place, inside ? of_step + row * columns : nullptr, call.w, column, columns, false);
      }
    }
  };

  const int first = static_cast<int>(blockIdx.z) * call.steps_per_split;
  const int last = min(first + call.steps_per_split, call.steps);
  /// A step and where its data are, counted along with it.
  struct Place {
    int step, of_chunk, c0, buffer, stage;
    __device__ __forceinline__ void advance(int groups, int buffers) {
      ++step;
      stage = stage + 1 == stages ? 0 : stage + 1;
      if (++of_chunk < groups) return;
      of_chunk = 0, c0 += chunk;
      buffer = buffer + 1 == buffers ? 0 : buffer + 1;
    }
  };
  const Place begin{first, first % groups, first / groups * chunk, 0, 0};
  Place loaded = begin;
  const auto load = [&] {
    if (loaded.step < last) {
      if (loaded.step == first || loaded.of_chunk == 0) load_halo(loaded.c0, halo + loaded.buffer * quads * plane);
      float* const to = weights + loaded.stage * Shared::weight_stage;
      if (call.w_aligned)
        load_weights.template operator()<true>(loaded.c0, loaded.of_chunk * group, to);
      else
        load_weights.template operator()<false>(loaded.c0, loaded.of_chunk * group, to);
    }
    loaded.advance(groups, call.buffers);
    ptx::copy_async_commit();
  };

  const int row0 = warp / warps_n * (16 * I), columns_of_warp = warp % warps_n * 32;
  // The halo row of the box row whose address this lane gives to ldmatrix.
  int first_row[I];
#pragma unroll
  for (int i = 0; i < I; ++i) first_row[i] = tile.first_row(row0 + 16 * i + (lane & 15));
  float sum[I][J][4] = {};

  int ahead = 0;  // steps that are on their way; the loop begins by filling its stages, so that the copies' code is there once
  for (Place at = begin; at.step < last;) {
    float4* const x = halo + at.buffer * quads * plane;
    if (ahead == stages - 1) {
      ptx::copy_async_wait<stages - 2>();
      if (call.x.affine != nullptr && (at.step == first || at.of_chunk == 0)) normalise_halo(at.c0, x);
      __syncthreads();  // this step's data are there for all, and nobody reads the stage that is filled next
    }
    load();
    if (ahead < stages - 1) {
      ++ahead;
      continue;
    }
    const float* const w = weights + at.stage * Shared::weight_stage;
#pragma unroll
    for (int u = 0; u < group; ++u) {
      const int tap = at.of_chunk * group + u;
      if (tap >= taps) break;
      const int shifted = shift[tap];
      const float* const wu = w + u * chunk * Shared::weight_row;
      const float4* const wq = reinterpret_cast<const float4*>(wu);
      if constexpr (P == Precision::float32) {
        multiply_plain(
            sum,
            [&](int quad, int i, int e) { return x[quad * plane + tile.first_row(row0 + sum_row<P>(lane, i, e)) + shifted]; },
            [&](int quad, int j) {
              const int n = columns_of_warp + sum_column<P>(lane, j, 0);
              if constexpr (Transposed) {
                return wq[quad * Shared::weight_row + n];
              } else {
                const float* const at = wu + 4 * quad * Shared::weight_row + n;
                return make_float4(at[0], at[Shared::weight_row], at[2 * Shared::weight_row], at[3 * Shared::weight_row]);
              }
            });
      } else {
        multiply_tensor<P>(
            sum,
            [&](int half, int i, std::uint32_t(&a)[4]) {
              ptx::load_matrix_x4(a, x + (2 * half + (lane >> 4)) * plane + first_row[i] + shifted);
            },
            [&](int half, int j, std::uint32_t(&b)[2]) {
              const int g = lane >> 2, t = lane & 3, n = columns_of_warp + 8 * j + g;
              if constexpr (Transposed) {
                b[0] = __float_as_uint(wu[4 * (2 * half * Shared::weight_row + n) + t]);
                b[1] = __float_as_uint(wu[4 * ((2 * half + 1) * Shared::weight_row + n) + t]);
              } else {
                b[0] = __float_as_uint(wu[(8 * half + t) * Shared::weight_row + n]);
                b[1] = __float_as_uint(wu[(8 * half + t + 4) * Shared::weight_row + n]);
              }
            });
      }
    }
    at.advance(groups, call.buffers);
  }

  // ---- epilogue ----
  const bool finish = call.parts == nullptr;
  float* const to = finish ? call.y : call.parts + static_cast<Index>(blockIdx.z) * call.rows * call.co;
  const int first_column = column0 + columns_of_warp;
  float bias[J][2];
#pragma unroll
  for (int j = 0; j < J; ++j)
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      const int o = first_column + sum_column<P>(lane, j, e);
      bias[j][e] = finish && call.bias != nullptr && o < call.co ? call.bias[o] : 0.0F;
    }
  const float slope = finish ? call.slope : 1;
#pragma unroll
  for (int i = 0; i < I; ++i)
#pragma unroll
    for (int e = 0; e < 4; e += 2) {
      const int voxel = tile.box_voxel(corner, row0 + sum_row<P>(lane, i, e));
      const int next = P == Precision::float32 ? tile.box_voxel(corner, row0 + sum_row<P>(lane, i, e + 1)) : voxel;
      float* const row = to + static_cast<Index>(voxel) * call.co;
      float* const next_row = to + static_cast<Index>(next) * call.co;
#pragma unroll
      for (int j = 0; j < J; ++j) {
        const int o = first_column + sum_column<P>(lane, j, 0), next_o = first_column + sum_column<P>(lane, j, 1);
        const float v = leaky(sum[i][j][e] + bias[j][0], slope), next_v = leaky(sum[i][j][e + 1] + bias[j][1], slope);
        if (P != Precision::float32 && call.in_pairs) {  // neighbouring columns
          if (voxel >= 0 && o < call.co) *reinterpret_cast<float2*>(row + o) = make_float2(v, next_v);
        } else {
          if (voxel >= 0 && o < call.co) row[o] = v;
          if (next >= 0 && next_o < call.co) next_row[next_o] = next_v;
        }
      }
    }
}

/// y[r, o] = leaky_relu(parts[0][r, o] + parts[1][r, o] + ... + bias[o], slope), in this order; `Wide` elements at a time.
template <class Wide>
__global__ void conv3d_add_parts_kernel(const float* parts, int splits, const float* bias, float slope, float* y, int size, int co) {
  begin_kernel();
  constexpr int width = sizeof(Wide) / sizeof(float);
  const auto threads_of_grid = static_cast<int>(global_threads());
  for (int i = width * static_cast<int>(global_thread()); i < size; i += width * threads_of_grid) {
    alignas(Wide) float sum[width] = {};
#pragma unroll 4
    for (int k = 0; k < splits; ++k) {
      alignas(Wide) float part[width];
      *reinterpret_cast<Wide*>(part) = *reinterpret_cast<const Wide*>(parts + static_cast<Index>(k) * size + i);
#pragma unroll
      for (int e = 0; e < width; ++e) sum[e] += part[e];
    }
    const int o = i % co;
#pragma unroll
    for (int e = 0; e < width; ++e) sum[e] = leaky(sum[e] + (bias != nullptr ? bias[o + e] : 0.0F), slope);
    *reinterpret_cast<Wide*>(y + i) = *reinterpret_cast<const Wide*>(sum);
  }
}

template <Precision P, int Columns, bool Transposed>
void run(Stream& stream, Conv3dCall& call) {
  constexpr int wanted_blocks = 256, fewest_steps = 4;  // two blocks for each multiprocessor; a split's work above its cost
  const ConvTile& tile = call.tile;
  const int chunks = blocks_for(call.ci, chunk_of<P>), columns = blocks_for(call.co, Columns);
  call.steps = chunks * blocks_for(tile.taps(), group);
  call.buffers = halo_buffers(tile.taps());
  const Index blocks = static_cast<Index>(tile.tiles) * columns;
  const int wanted = static_cast<int>(std::clamp<Index>(wanted_blocks / blocks, 1, blocks_for(call.steps, fewest_steps)));
  call.steps_per_split = blocks_for(call.steps, wanted);
  const int splits = blocks_for(call.steps, call.steps_per_split);
  const Index size = static_cast<Index>(call.rows) * call.co;
  call.parts = splits > 1 ? stream.scratch<float>(splits * size) : nullptr;
  call.in_pairs = call.co % 2 == 0 && aligned_16(splits > 1 ? call.parts : call.y);
  const std::size_t shared = Conv3dShared<P, Columns, Transposed>::bytes(tile);
  require_shared(tile, shared);
  LAUNCH((conv3d_kernel<P, Columns, Transposed>), dim3(tile.tiles, columns, splits), threads, shared, stream, call);
  if (splits == 1) return;
  // There are fewer boxes than wanted_blocks, so that the number of elements is an int.
  if (call.co % 4 == 0 && aligned_16(call.parts) && aligned_16(call.y))
    LAUNCH(conv3d_add_parts_kernel<float4>, grid_for(size / 4, 256), 256, 0, stream, call.parts, splits, call.bias, call.slope,
           call.y, static_cast<int>(size), call.co);
  else
    LAUNCH(conv3d_add_parts_kernel<float>, grid_for(size, 256), 256, 0, stream, call.parts, splits, call.bias, call.slope, call.y,
           static_cast<int>(size), call.co);
}

template <bool Transposed>
void run(Stream& stream, Conv3dCall& call) {
  with_precision(stream.precision(), [&]<Precision P>() {
    if (call.co <= 32 || P == Precision::float32)
      run<P, 32, Transposed>(stream, call);
    else
      run<P, P == Precision::float32 ? 32 : 64, Transposed>(stream, call);
  });
}

}  // namespace

void convolve(Stream& stream, const Shape& volume, const Shape& kernel, const Operand& x, const float* w, const float* bias,
              float slope, bool transposed, View<float> y) {
  require(kernel.size() <= std::numeric_limits<int>::max(), "conv3d: a kernel of {} has more than 2^31 elements", kernel.str());
  if (x.channels == 1) return single::expand(stream, kernel, x, w, bias, slope, transposed, y);
  if (y.shape.c == 1) return single::contract(stream, kernel, x, w, bias, slope, transposed, y);
  Conv3dCall call{};
  call.tile = ConvTile::choose(volume, kernel);
  call.x = x, call.w = w, call.bias = bias, call.slope = slope, call.y = y.data;
  call.ci = x.channels, call.co = static_cast<int>(y.shape.c);
  call.rows = static_cast<int>(volume.rows());
  call.w_aligned = (transposed ? call.ci : call.co) % 4 == 0 && aligned_16(w);
  const Work work{transposed ? "conv3d_data" : "conv3d_forward", volume, kernel, stream.precision()};
  const Candidate own{Way::own, [&] { transposed ? run<true>(stream, call) : run<false>(stream, call); }};
  const auto pass = transposed ? cudnn::Pass::data : cudnn::Pass::forward;
  if (const auto c = convolution_for_cudnn(stream, pass, volume, kernel, {x}))
    run_one_of(stream, work, {own, {Way::cudnn, [&] { convolve_by_cudnn(stream, *c, x.x, w, bias, slope, y); }}});
  else
    run_one_of(stream, work, {own});
}

void conv3d_forward(Stream& stream, ConstView<float> x, ConstView<float> w, ConstView<float> b, View<float> y) {
  conv3d::require_forward(x.shape, w.shape, b ? &b.shape : nullptr, y.shape);
  convolve(stream, x.shape, w.shape, Operand::of(x), w.data, b.data, 1, false, y);
}

void conv3d_backward_data(Stream& stream, ConstView<float> dy, ConstView<float> w, View<float> dx) {
  conv3d::require_backward_data(dy.shape, w.shape, dx.shape);
  convolve(stream, dy.shape, w.shape, Operand::of(dy), w.data, nullptr, 1, true, dx);
}

}  // namespace fringe::cuda

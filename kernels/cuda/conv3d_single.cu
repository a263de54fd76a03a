// Strategy. A block takes one box of 128 voxels (conv3d_tile.cuh) and up to 32 channels; the halo is in shared memory.
//
// expand     256 threads: a thread makes 4 neighbouring voxels along W x 4 channels; for every row of taps it slides a window
//            of four inputs along W: Kw + 3 reads of s and Kw of w for 16 Kw products.
//            shared: float halo[halo_rows], float w[taps][32]
// contract   128 threads: a thread makes one voxel; channels come in chunks of 16 as planes of quads, read without conflicts.
//            shared: float4 halo[4][plane], float w[taps][16], both for one chunk
// correlate  128 threads: a thread has 4 channels and every 16th voxel, and keeps 27 taps x 4 channels of sums in registers
//            while the block strides over boxes; then lanes and warps are added in a fixed order, then blocks by a second
//            kernel. Other kernel sizes take 27 taps at a time.
//            shared: float halo[halo_rows], float4 warps[27][4][8], int shift[27]
#include <algorithm>

#include "kernels/cuda/conv3d_single.cuh"
#include "kernels/cuda/conv3d_sums.cuh"
#include "kernels/cuda/conv3d_tile.cuh"

namespace fringe::cuda::single {
namespace {

constexpr int block_channels = 32;

__device__ __forceinline__ void store_channels(float* row, int c, int channels, bool aligned, const float4& v) {
  if (aligned) {
    if (c < channels) *reinterpret_cast<float4*>(row + c) = v;
    return;
  }
  if (c < channels) row[c] = v.x;
  if (c + 1 < channels) row[c + 1] = v.y;
  if (c + 2 < channels) row[c + 2] = v.z;
  if (c + 3 < channels) row[c + 3] = v.w;
}

__device__ __forceinline__ void multiply_add(float4& sum, float a, const float4& b) {
  sum.x = fmaf(a, b.x, sum.x), sum.y = fmaf(a, b.y, sum.y), sum.z = fmaf(a, b.z, sum.z), sum.w = fmaf(a, b.w, sum.w);
}

__device__ __forceinline__ float leaky(float v, float slope) { return v > 0 ? v : slope * v; }

/// The halo of a field of one channel, zeros outside.
__device__ __forceinline__ void load_halo(const ConvTile& tile, const ConvTile::Corner& corner, const Operand& s, float* halo) {
  for (int row = static_cast<int>(threadIdx.x); row < tile.halo_rows; row += static_cast<int>(blockDim.x)) {
    const int voxel = tile.halo_voxel(corner, row);
    halo[row] = voxel < 0 ? 0.0F : s.value(voxel, tile.halo_half(corner, row), 0);
  }
}

constexpr int expand_threads = 256;

__global__ void __launch_bounds__(expand_threads)
    expand_kernel(ConvTile tile, Operand s, const float* __restrict__ w, const float* __restrict__ bias, float slope,
                  bool flipped, float* __restrict__ y, int channels, bool aligned) {
  begin_kernel();
  DYN_SHARED(float, memory);
  const int taps = tile.taps();
  float4* const weights = reinterpret_cast<float4*>(memory);  // [taps][8]
  float* const halo = memory + taps * block_channels;
  const int thread = static_cast<int>(threadIdx.x);
  const int c0 = static_cast<int>(blockIdx.y) * block_channels;
  const auto corner = tile.corner(static_cast<int>(blockIdx.x));
  load_halo(tile, corner, s, halo);
  for (int i = thread; i < taps * block_channels; i += expand_threads) {
    const int tap = i / block_channels, c = c0 + i % block_channels;
    memory[i] = c < channels ? w[(flipped ? taps - 1 - tap : tap) * channels + c] : 0.0F;
  }
  __syncthreads();

  const int quad = thread % 8, c = c0 + 4 * quad;
  const float4 start = bias == nullptr
                           ? make_float4(0, 0, 0, 0)
                           : make_float4(c < channels ? bias[c] : 0.0F, c + 1 < channels ? bias[c + 1] : 0.0F,
                                         c + 2 < channels ? bias[c + 2] : 0.0F, c + 3 < channels ? bias[c + 3] : 0.0F);
  const int m = thread / 8 * 4;
  float4 sum[4] = {start, start, start, start};
  const float4* weight = weights + quad;
  if (tile.tw() >= 4) {
    const float* const first = halo + tile.first_row(m);
    for (int i = 0; i < tile.kd; ++i)
      for (int j = 0; j < tile.kh; ++j) {
        const float* const row = first + (i * tile.halo_h + j) * tile.halo_w;
        float a = row[0], b = row[1], e = row[2];
        for (int k = 0; k < tile.kw; ++k, weight += 8) {
          const float f = row[k + 3];
          const float4 v = *weight;
          multiply_add(sum[0], a, v), multiply_add(sum[1], b, v), multiply_add(sum[2], e, v), multiply_add(sum[3], f, v);
          a = b, b = e, e = f;
        }
      }
  } else {
    for (int tap = 0; tap < taps; ++tap, weight += 8)
#pragma unroll
      for (int i = 0; i < 4; ++i) multiply_add(sum[i], halo[tile.first_row(m + i) + tile.shift(tap)], *weight);
  }
#pragma unroll
  for (int i = 0; i < 4; ++i)
    if (const int voxel = tile.box_voxel(corner, m + i); voxel >= 0)
      store_channels(
          y + static_cast<Index>(voxel) * channels, c, channels, aligned,
          make_float4(leaky(sum[i].x, slope), leaky(sum[i].y, slope), leaky(sum[i].z, slope), leaky(sum[i].w, slope)));
}

constexpr int contract_quads = 4;

__global__ void __launch_bounds__(ConvTile::voxels)
    contract_kernel(ConvTile tile, Operand x, const float* __restrict__ w, const float* __restrict__ bias, float slope,
                    bool flipped, float* __restrict__ s) {
  begin_kernel();
  constexpr int chunk = 4 * contract_quads;
  DYN_SHARED(float4, halo);  // [4][plane]
  const int channels = x.channels, taps = tile.taps(), plane = plane_of(tile.halo_rows);
  const int thread = static_cast<int>(threadIdx.x);
  float4* const weights = halo + contract_quads * plane;  // [taps][4]
  const auto corner = tile.corner(static_cast<int>(blockIdx.x));
  const int first_row = tile.first_row(thread);
  float sum = bias != nullptr ? bias[0] : 0.0F;
  for (int c0 = 0; c0 < channels; c0 += chunk) {
    __syncthreads();  // the previous chunk is still being read
    for (int i = thread; i < tile.halo_rows * contract_quads; i += ConvTile::voxels) {
      const int row = i / contract_quads, q = i % contract_quads, voxel = tile.halo_voxel(corner, row);
      halo[q * plane + row] =
          voxel < 0 ? make_float4(0, 0, 0, 0) : x.quad(voxel, x.needs_half() ? tile.halo_half(corner, row) : 0, c0 + 4 * q);
    }
    for (int i = thread; i < taps * chunk; i += ConvTile::voxels) {
      const int tap = i / chunk, c = c0 + i % chunk;
      reinterpret_cast<float*>(weights)[i] = c < channels ? w[(flipped ? taps - 1 - tap : tap) * channels + c] : 0.0F;
    }
    __syncthreads();
    for (int tap = 0; tap < taps; ++tap) {
      const int row = first_row + tile.shift(tap);
#pragma unroll
      for (int q = 0; q < contract_quads; ++q) {
        const float4 a = halo[q * plane + row], b = weights[tap * contract_quads + q];
        sum = fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, sum))));
      }
    }
  }
  if (const int voxel = tile.box_voxel(corner, thread); voxel >= 0) s[voxel] = leaky(sum, slope);
}

constexpr int correlate_threads = 128, taps_at_once = 27, voxels_at_once = 4;  // the last: loads in flight

/// Writes parts[block][tap][channel].
__global__ void __launch_bounds__(correlate_threads)
    correlate_kernel(ConvTile tile, Operand s, Operand g, bool flipped, float* __restrict__ parts) {
  begin_kernel();
  DYN_SHARED(float, halo);
  __shared__ float4 warps[taps_at_once][correlate_threads / 32][8];
  __shared__ int shift[taps_at_once];
  const int thread = static_cast<int>(threadIdx.x), lane = thread % 32, warp = thread / 32;
  const int channels = g.channels, taps = tile.taps(), tap0 = static_cast<int>(blockIdx.z) * taps_at_once;
  const int quad = thread % 8, c = static_cast<int>(blockIdx.y) * block_channels + 4 * quad;
  for (int t = thread; t < taps_at_once; t += correlate_threads) shift[t] = tap0 + t < taps ? tile.shift(tap0 + t) : 0;
  float4 sum[taps_at_once] = {};
  for (int box = static_cast<int>(blockIdx.x); box < tile.tiles; box += static_cast<int>(gridDim.x)) {
    const auto corner = tile.corner(box);
    __syncthreads();  // the previous box is still being read
    load_halo(tile, corner, s, halo);
    __syncthreads();
    constexpr int rows = correlate_threads / 8;
    for (int m0 = thread / 8; m0 < ConvTile::voxels; m0 += voxels_at_once * rows) {
      float4 v[voxels_at_once];
#pragma unroll
      for (int i = 0; i < voxels_at_once; ++i) {
        const int m = m0 + i * rows, voxel = tile.box_voxel(corner, m);
        v[i] = voxel < 0 ? make_float4(0, 0, 0, 0) : g.quad(voxel, g.needs_half() ? tile.box_half(corner, m) : 0, c);
      }
#pragma unroll
      for (int i = 0; i < voxels_at_once; ++i) {
        const float* const first = halo + tile.first_row(m0 + i * rows);
#pragma unroll
        for (int t = 0; t < taps_at_once; ++t) multiply_add(sum[t], first[shift[t]], v[i]);
      }
    }
  }
#pragma unroll
  for (int t = 0; t < taps_at_once; ++t) {
    float4 v = sum[t];
#pragma unroll
    for (int offset = 16; offset >= 8; offset /= 2) {
      v.x += __shfl_xor_sync(0xffffffffU, v.x, offset), v.y += __shfl_xor_sync(0xffffffffU, v.y, offset);
      v.z += __shfl_xor_sync(0xffffffffU, v.z, offset), v.w += __shfl_xor_sync(0xffffffffU, v.w, offset);
    }
    if (lane < 8) warps[t][warp][lane] = v;
  }
  __syncthreads();
  float* const to = parts + static_cast<Index>(blockIdx.x) * taps * channels;
  for (int i = thread; i < taps_at_once * 8; i += correlate_threads) {
    const int q = i % 8, t = i / 8, tap = tap0 + t;
    if (tap >= taps) continue;
    float4 v = warps[t][0][q];
    for (int k = 1; k < correlate_threads / 32; ++k) {
      const float4 other = warps[t][k][q];
      v.x += other.x, v.y += other.y, v.z += other.z, v.w += other.w;
    }
    store_channels(to + static_cast<Index>(flipped ? taps - 1 - tap : tap) * channels,
                   static_cast<int>(blockIdx.y) * block_channels + 4 * q, channels, channels % 4 == 0, v);
  }
}

}  // namespace

void expand(Stream& stream, const Shape& kernel, const Operand& s, const float* w, const float* bias, float slope, bool flipped,
            View<float> y) {
  const ConvTile tile = ConvTile::choose(y.shape, kernel);
  const int channels = static_cast<int>(y.shape.c);
  const std::size_t shared = sizeof(float) * (tile.taps() * block_channels + tile.halo_rows);
  require_shared(tile, shared);
  LAUNCH(expand_kernel, dim3(tile.tiles, blocks_for(channels, block_channels)), expand_threads, shared, stream, tile, s, w,
         bias, slope, flipped, y.data, channels, channels % 4 == 0 && aligned_16(y.data));
}

void contract(Stream& stream, const Shape& kernel, const Operand& x, const float* w, const float* bias, float slope,
              bool flipped, View<float> s) {
  const ConvTile tile = ConvTile::choose(s.shape, kernel);
  const std::size_t shared = sizeof(float4) * contract_quads * (plane_of(tile.halo_rows) + tile.taps());
  require_shared(tile, shared);
  LAUNCH(contract_kernel, tile.tiles, ConvTile::voxels, shared, stream, tile, x, w, bias, slope, flipped, s.data);
}

void correlate(Stream& stream, const Shape& volume, const Shape& kernel, const Operand& s, const Operand& g, bool flipped,
               View<float> dw) {
  constexpr int most_blocks = 512;
  const ConvTile tile = ConvTile::choose(volume, kernel);
  const int channels = g.channels, taps = tile.taps(), blocks = std::min(tile.tiles, most_blocks);
  const std::size_t shared = sizeof(float) * tile.halo_rows;
  require_shared(tile, shared);
  const Index size = static_cast<Index>(taps) * channels;
  float* const parts = stream.scratch<float>(blocks * size);
  LAUNCH(correlate_kernel, dim3(blocks, blocks_for(channels, block_channels), blocks_for(taps, taps_at_once)),
         correlate_threads, shared, stream, tile, s, g, flipped, parts);
  add_parts(stream, parts, blocks, size, dw, {});
}

}  // namespace fringe::cuda::single

// How the convolution kernels cut a volume: boxes of 128 output voxels, and the input voxels around them (the halo).
//
// A block works on one box of td x th x tw = 128 voxels, all powers of two. The inputs its taps reach form a box of
// (td+kd-1) x (th+kh-1) x (tw+kw-1) voxels. In shared memory a channel chunk of the halo lies as planes of quads: a plane
// holds four channels of every halo voxel, 16 bytes a voxel, so that
//
//   quad (q, row) = address q * plane + row        row = (hd * halo_h + hh) * halo_w + hw,  in units of 16 bytes
//
// - a tap (i, j, k) is a constant shift of rows, (i * halo_h + j) * halo_w + k: the inner loops do no index arithmetic;
// - eight neighbouring rows of a plane are 128 consecutive bytes: an ldmatrix phase touches every bank once;
// - a plane is 4 mod 8 quads long, so four rows of two neighbouring planes cover all banks, too: copies that write 2 quads
//   of 4 voxels, and fragments transposed in the weight gradient (8 channels x 4 voxels), have no bank conflicts.
//
// Voxels outside the volume are zeros in shared memory; nothing is masked in the inner loops.
#pragma once
#include "kernels/conv3d.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/ptx.cuh"

namespace fringe::cuda {

/// The geometry of one call; passed to kernels by value.
struct ConvTile {
  static constexpr int voxels = 128;

  int d, h, w;                    ///< the volume
  int kd, kh, kw;                 ///< the kernel
  int log_th, log_tw;             ///< extents of the box; td follows from the other two
  int tiles_d, tiles_h, tiles_w;  ///< boxes along each axis of a sample
  int tiles;                      ///< in all samples
  int halo_h, halo_w, halo_rows;  ///< extents and voxels of the halo

  __host__ __device__ int th() const { return 1 << log_th; }
  __host__ __device__ int tw() const { return 1 << log_tw; }
  __host__ __device__ int td() const { return voxels >> (log_th + log_tw); }
  __host__ __device__ int taps() const { return kd * kh * kw; }

  /// Chooses the box with the least work: products, and copies of the halo at about a quarter of a tap each.
  static ConvTile choose(const Shape& volume, const Shape& kernel);

  struct Corner {
    int n, d, h, w;
  };
  __device__ Corner corner(int tile) const {
    const int tile_w = tile % tiles_w, rest = tile / tiles_w;
    const int tile_h = rest % tiles_h, rest_d = rest / tiles_h;
    return {rest_d / tiles_d, rest_d % tiles_d * td(), tile_h << log_th, tile_w << log_tw};
  }

  /// Row of the halo at which the taps of box voxel m begin.
  __device__ int first_row(int m) const {
    const int in_d = m >> (log_th + log_tw), in_h = (m >> log_tw) & (th() - 1), in_w = m & (tw() - 1);
    return (in_d * halo_h + in_h) * halo_w + in_w;
  }
  __device__ int shift(int tap) const {
    const int k = tap % kw, rest = tap / kw;
    return (rest / kh * halo_h + rest % kh) * halo_w + k;
  }

  /// Flat index of a voxel of the volume, or -1 outside.
  __device__ int voxel(const Corner& c, int in_d, int in_h, int in_w) const {
    const int vd = c.d + in_d, vh = c.h + in_h, vw = c.w + in_w;
    const bool inside = static_cast<unsigned>(vd) < static_cast<unsigned>(d) &&
                        static_cast<unsigned>(vh) < static_cast<unsigned>(h) &&
                        static_cast<unsigned>(vw) < static_cast<unsigned>(w);
    return inside ? ((c.n * d + vd) * h + vh) * w + vw : -1;
  }
  /// Of a voxel inside the volume: eight times its index at half extents, plus its number among the eight.
  __device__ int half(const Corner& c, int in_d, int in_h, int in_w) const {
    const int vd = c.d + in_d, vh = c.h + in_h, vw = c.w + in_w;
    return (((c.n * (d / 2) + vd / 2) * (h / 2) + vh / 2) * (w / 2) + vw / 2) * 8 + (vd & 1) * 4 + (vh & 1) * 2 + (vw & 1);
  }
  __device__ int box_half(const Corner& c, int m) const {
    return half(c, m >> (log_th + log_tw), (m >> log_tw) & (th() - 1), m & (tw() - 1));
  }
  __device__ int halo_half(const Corner& c, int row) const {
    const int in_w = row % halo_w, rest = row / halo_w;
    return half(c, rest / halo_h - kd / 2, rest % halo_h - kh / 2, in_w - kw / 2);
  }
  __device__ int box_voxel(const Corner& c, int m) const {
    return voxel(c, m >> (log_th + log_tw), (m >> log_tw) & (th() - 1), m & (tw() - 1));
  }
  __device__ int halo_voxel(const Corner& c, int row) const {
    const int in_w = row % halo_w, rest = row / halo_w;
    return voxel(c, rest / halo_h - kd / 2, rest % halo_h - kh / 2, in_w - kw / 2);
  }
};

/// Throws when a block of this operation needs more shared memory than the device has.
void require_shared(const ConvTile& tile, std::size_t bytes);

/// Quads from one plane of `rows` voxels to the next: 4 mod 8.
__host__ __device__ constexpr int plane_of(int rows) { return (rows + 3) / 8 * 8 + 4; }

/// The numeric formats of the products; sums are always float.
template <Precision P>
constexpr int chunk_of = P == Precision::bfloat16 ? 16 : 8;  ///< channels in shared memory at a time: one or two steps of mma

namespace {

inline bool aligned_16(const void* p) { return reinterpret_cast<std::uintptr_t>(p) % 16 == 0; }

/// Copies channels c .. c+3 of a row of `channels` floats to shared memory in the background, zeros in place of channels
/// that do not exist and of everything when `row` is null. A whole quad when rows begin at multiples of 16 bytes.
__device__ __forceinline__ void copy_quad(float4* to, const float* row, const float* anything, int c, int channels,
                                          bool aligned) {
  const bool valid = row != nullptr;
  if (aligned) {
    const bool inside = valid && c < channels;
    ptx::copy_async_16(to, inside ? row + c : anything, inside);
  } else {
    auto* single = reinterpret_cast<float*>(to);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bool inside = valid && c + i < channels;
      ptx::copy_async_4(single + i, inside ? row + c + i : anything, inside);
    }
  }
}

}  // namespace
}  // namespace fringe::cuda

// Products of convolutions in bfloat16 on the tile registers of x86 (AMX): factors in bfloat16, sums in float.
//
//   rows      y[w, co] = bias[co] + sum over the row taps t and k < run of row_t[w * step + k] * weights[tap_t][k][co]
//   weights   sums[c, co] += sum over positions p of in[c][p] * gradient[p][co]
//
// A tile of the first factor is up to 16 voxels of a row, each with up to 32 of the numbers it reads: rows of
// channels-last voxels are loaded as they lie, one voxel `step` after the other. For the weight gradient the roles are
// others: positions are summed over, so the input lies channel by channel (`transpose_row`) and the gradient in pairs
// of voxels (`pair_row`).
#pragma once
#include "kernels/bfloat16.h"
#include "kernels/cpu/convolution_shape.h"

namespace fringe::cpu {

/// Whether this machine has tile registers and lets the program use them; not when FRINGE_TILES=off. The functions
/// below may be called only then, but for the first two.
bool tiles_available();

/// Whether rows of voxels of so many channels are read by tiles that reach no further.
constexpr bool whole_tiles(Index channels) { return channels == 8 || channels % 16 == 0; }

/// Of the tiles of the first factor: voxels (or channels), and of each the numbers summed over.
struct TileShape {
  Index rows, length;
};
/// For runs of `run` inputs along rows of `width` voxels: as few numbers of the next voxel as possible.
TileShape tile_shape(Index width, Index run);

/// Sets up the tile registers of the thread it lives on.
class TileScope {
 public:
  explicit TileScope(TileShape shape);
  ~TileScope();
  TileScope(const TileScope&) = delete;
  TileScope& operator=(const TileScope&) = delete;
};

constexpr Index tile_channels = 16;  ///< output channels of one tile

/// A row of outputs: `width` voxels, `step` inputs from one to the next, `run` inputs each.
struct TileRow {
  Index width, step, run;
  float* y;  ///< one of the two
  bfloat16* packed;
  Index stride;             ///< elements from one output voxel to the next
  Index valid;              ///< of them written
  bool past_cache = false;  ///< `packed` is so large that it leaves the cache before it is read
};

/// `tiles` tiles of output channels, 1 or 2. weights: pack_tap's, for each row tap; bias: 16 numbers a tile.
void tile_product(const TileRow& out, TileShape shape, Index tiles, const RowTap<bfloat16>* taps, int count,
                  const bfloat16* weights, const float* bias);
/// Elements of the weights of one row tap.
inline Index tap_elements(TileShape shape, Index run, Index tiles) {
  return (run + shape.length - 1) / shape.length * shape.length * tiles * tile_channels;
}
/// Two inputs' weights (k, k+1) to their place in a row tap's: tiles * tile_channels numbers each.
inline void pack_pair(TileShape shape, Index tiles, Index k, const float* even, const float* odd, bfloat16* tap) {
  const auto half = [](float v) {
    return static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(to_bfloat16(v)) >> 16);
  };
  for (Index n = 0; n < tiles; ++n) {
    bfloat16* to =
        tap + (k / shape.length * tiles + n) * shape.length * tile_channels + k % shape.length * tile_channels;
    for (Index o = 0; o < tile_channels; ++o) {
      to[2 * o] = {half(even[n * tile_channels + o])};
      to[2 * o + 1] = {half(odd[n * tile_channels + o])};
    }
  }
}

/// sums[i] (rows x 16 floats) += the product of in[i] and gradient, for i < count <= 4: over `chunks` times 32
/// positions. `stride`: elements from channel to channel of in.
void tile_weights(const bfloat16* const* in, Index stride, const bfloat16* gradient, Index chunks, float* const* sums,
                  int count);

/// Copies to memory that will not be read soon, without reading it first. Before others read it the TileScope has to
/// end.
void write_past_cache(const float* from, Index count, float* to);
/// Each number to the nearest bfloat16.
void round_row(const float* from, Index count, bfloat16* to);
/// Voxel v, channel c, at from[v * step + c], to to[c * stride + v].
void transpose_row(const float* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride);
void transpose_row(const bfloat16* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride);
/// The same to pairs of voxels: to[(c / 16) * stride + (v / 2) * 32 + (c % 16) * 2 + v % 2]; channels up to a multiple
/// of 16 and an odd last voxel's neighbour are zero.
void pair_row(const float* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride);
void pair_row(const bfloat16* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride);
/// sums[c] += the row's numbers of channel c.
void sum_row(const bfloat16* from, Index voxels, Index channels, float* sums);

}  // namespace fringe::cpu

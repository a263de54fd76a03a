// Strategy: up to four tiles of sums stay in their registers, two blocks of 16 voxels by two of 16 channels or four by
// one; a tile of weights is loaded once for all blocks of voxels. Measured on one core (family 6, model 207): 2.7
// Tflop/s for the products alone, 2.2 with operands from the first-level cache, against 0.19 for float32; what limits
// the convolutions is memory.
//
// Highway knows no tiles: these functions are compiled for the instructions they use and reached only where they exist.
#include "kernels/cpu/convolution_tiles.h"

#include <cstdlib>
#include <cstring>

#include "hwy/base.h"
#include "kernels/error.h"

#if defined(__x86_64__) && defined(__linux__) && \
    ((defined(__GNUC__) && __GNUC__ >= 12) || (defined(__clang__) && __clang_major__ >= 14))
#define FRINGE_HAS_TILES 1
// GCC 12's own header leaves operands of its intrinsics undefined on purpose, and warns of it where they are used.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define FRINGE_HAS_TILES 0
#endif

namespace fringe::cpu {

TileShape tile_shape(Index width, Index run) {
  TileShape s{std::min<Index>(16, width), 32};
  for (Index length = 32; length >= 8; length -= 2)
    if (run % length == 0) return {s.rows, length};
  if (run < 32) s.length = round_up(run, 2);
  return s;
}

#if FRINGE_HAS_TILES

HWY_PUSH_ATTRIBUTES("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")

namespace {

bool ask_for_tiles() {
  const char* wanted = std::getenv("FRINGE_TILES");
  if (wanted && std::strcmp(wanted, "off") == 0) return false;
  if (!__builtin_cpu_supports("amx-bf16") || !__builtin_cpu_supports("amx-tile") ||
      !__builtin_cpu_supports("avx512bf16") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
    return false;
  constexpr long request_permission = 0x1023,
                 tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA: of the whole process
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
}

/// What ldtilecfg reads.
struct alignas(64) TileConfiguration {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
  void set(int tile, Index tile_rows, Index bytes) {
    rows[tile] = static_cast<std::uint8_t>(tile_rows);
    row_bytes[tile] = static_cast<std::uint16_t>(bytes);
  }
};

/// GCC's tile intrinsics do not tell the compiler which memory they read: what was written before has to be there.
inline void memory_is_read() { asm volatile("" ::: "memory"); }

// GCC compiles constructors and destructors without the attributes above: these two do it for them.
void load(const TileConfiguration& c) {
  memory_is_read();
  _tile_loadconfig(&c);
}
void release() {
  _tile_release();
  _mm_sfence();  // what was written past the cache is there for other threads
}

// Tiles 0 to 3 are sums, 4 and 5 weights (or pairs of gradients), 6 and 7 inputs.

constexpr Index sum_floats = 16 * tile_channels;

inline __mmask16 first_sixteen(Index count) {
  return static_cast<__mmask16>(count >= 16 ? 0xFFFFU : (1U << count) - 1);
}
inline __mmask32 first_thirty_two(Index count) { return count >= 32 ? 0xFFFFFFFFU : (1U << count) - 1; }

/// One tile of sums, spilled, to where it belongs.
void write_sums(const TileRow& out, Index voxel, Index rows, Index first, const float* sums) {
  if (out.valid <= first) return;
  const auto mask = first_sixteen(out.valid - first);
  for (Index r = 0; r < rows; ++r) {
    const __m512 v = _mm512_load_ps(sums + r * tile_channels);
    const Index at = (voxel + r) * out.stride + first;
    if (out.packed)
      _mm256_mask_storeu_epi16(out.packed + at, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
    else
      _mm512_mask_storeu_ps(out.y + at, mask, v);
  }
}

/// A whole line of cache, which is not read first where it leaves the cache anyway.
inline void write_line(const TileRow& out, Index at, __m512bh values) {
  auto* to = reinterpret_cast<__m512i*>(out.packed + at);
  if (out.past_cache)
    _mm512_stream_si512(to, reinterpret_cast<__m512i>(values));
  else
    _mm512_store_si512(to, reinterpret_cast<__m512i>(values));
}
/// Whether 32 numbers from each multiple of 32 on are a line that `write_line` may write.
inline bool whole_lines(const TileRow& out, Index rows) {
  return out.packed && reinterpret_cast<std::uintptr_t>(out.packed) % 64 == 0 && rows == 16;
}

/// Voxels `voxel[0 .. Blocks)` and 16 more each, 16 channels.
template <int Blocks>
void product_of_one(const TileRow& out, TileShape s, const RowTap<bfloat16>* taps, int count, const Index* voxel,
                    const bfloat16* weights, const float* bias) {
  const Index pieces = (out.run + s.length - 1) / s.length, step = out.step * Index{sizeof(bfloat16)};
  const Index piece_elements = s.length * tile_channels;
  _tile_loadd(0, bias, 0);
  if constexpr (Blocks > 1) _tile_loadd(1, bias, 0);
  if constexpr (Blocks > 2) _tile_loadd(2, bias, 0);
  if constexpr (Blocks > 3) _tile_loadd(3, bias, 0);
  for (int t = 0; t < count; ++t) {
    const bfloat16* w = weights + taps[t].tap * pieces * piece_elements;
    const bfloat16* x = taps[t].row;
    for (Index k = 0; k < pieces; ++k, w += piece_elements, x += s.length) {
      _tile_loadd(4, w, 64);
      _tile_loadd(6, x + voxel[0] * out.step, step);
      _tile_dpbf16ps(0, 6, 4);
      if constexpr (Blocks > 1) {
        _tile_loadd(7, x + voxel[1] * out.step, step);
        _tile_dpbf16ps(1, 7, 4);
      }
      if constexpr (Blocks > 2) {
        _tile_loadd(6, x + voxel[2] * out.step, step);
        _tile_dpbf16ps(2, 6, 4);
      }
      if constexpr (Blocks > 3) {
        _tile_loadd(7, x + voxel[3] * out.step, step);
        _tile_dpbf16ps(3, 7, 4);
      }
    }
  }
  if (out.y && out.valid == tile_channels) {
    const Index stride = out.stride * Index{sizeof(float)};
    _tile_stored(0, out.y + voxel[0] * out.stride, stride);
    if constexpr (Blocks > 1) _tile_stored(1, out.y + voxel[1] * out.stride, stride);
    if constexpr (Blocks > 2) _tile_stored(2, out.y + voxel[2] * out.stride, stride);
    if constexpr (Blocks > 3) _tile_stored(3, out.y + voxel[3] * out.stride, stride);
    return;
  }
  alignas(64) float sums[4 * sum_floats];
  _tile_stored(0, sums, 64);
  if constexpr (Blocks > 1) _tile_stored(1, sums + sum_floats, 64);
  if constexpr (Blocks > 2) _tile_stored(2, sums + 2 * sum_floats, 64);
  if constexpr (Blocks > 3) _tile_stored(3, sums + 3 * sum_floats, 64);
  if (whole_lines(out, s.rows) && out.stride == tile_channels && out.width % 16 == 0) {
    for (int b = 0; b < Blocks; ++b)
      for (Index r = 0; r < 16; r += 2) {
        const float* v = sums + b * sum_floats + r * tile_channels;
        write_line(out, (voxel[b] + r) * out.stride,
                   _mm512_cvtne2ps_pbh(_mm512_load_ps(v + tile_channels), _mm512_load_ps(v)));
      }
    return;
  }
  for (int b = 0; b < Blocks; ++b) write_sums(out, voxel[b], s.rows, 0, sums + b * sum_floats);
}

/// The same for one or two blocks of voxels and 32 channels.
template <int Blocks>
void product_of_two(const TileRow& out, TileShape s, const RowTap<bfloat16>* taps, int count, const Index* voxel,
                    const bfloat16* weights, const float* bias) {
  const Index pieces = (out.run + s.length - 1) / s.length, step = out.step * Index{sizeof(bfloat16)};
  const Index tile_elements = s.length * tile_channels;
  _tile_loadd(0, bias, 0);
  _tile_loadd(1, bias + tile_channels, 0);
  if constexpr (Blocks > 1) {
    _tile_loadd(2, bias, 0);
    _tile_loadd(3, bias + tile_channels, 0);
  }
  for (int t = 0; t < count; ++t) {
    const bfloat16* w = weights + taps[t].tap * pieces * 2 * tile_elements;
    const bfloat16* x = taps[t].row;
    for (Index k = 0; k < pieces; ++k, w += 2 * tile_elements, x += s.length) {
      _tile_loadd(6, x + voxel[0] * out.step, step);
      _tile_loadd(4, w, 64);
      _tile_dpbf16ps(0, 6, 4);
      _tile_loadd(5, w + tile_elements, 64);
      _tile_dpbf16ps(1, 6, 5);
      if constexpr (Blocks > 1) {
        _tile_loadd(7, x + voxel[1] * out.step, step);
        _tile_dpbf16ps(2, 7, 4);
        _tile_dpbf16ps(3, 7, 5);
      }
    }
  }
  if (out.y && out.valid == 2 * tile_channels) {
    const Index stride = out.stride * Index{sizeof(float)};
    _tile_stored(0, out.y + voxel[0] * out.stride, stride);
    _tile_stored(1, out.y + voxel[0] * out.stride + tile_channels, stride);
    if constexpr (Blocks > 1) {
      _tile_stored(2, out.y + voxel[1] * out.stride, stride);
      _tile_stored(3, out.y + voxel[1] * out.stride + tile_channels, stride);
    }
    return;
  }
  alignas(64) float sums[4 * sum_floats];
  _tile_stored(0, sums, 64);
  _tile_stored(1, sums + sum_floats, 64);
  if constexpr (Blocks > 1) {
    _tile_stored(2, sums + 2 * sum_floats, 64);
    _tile_stored(3, sums + 3 * sum_floats, 64);
  }
  if (whole_lines(out, s.rows) && out.stride % (2 * tile_channels) == 0 && out.valid == 2 * tile_channels &&
      out.width % 16 == 0) {
    for (int b = 0; b < Blocks; ++b)
      for (Index r = 0; r < 16; ++r) {
        const float* v = sums + 2 * b * sum_floats + r * tile_channels;
        write_line(out, (voxel[b] + r) * out.stride,
                   _mm512_cvtne2ps_pbh(_mm512_load_ps(v + sum_floats), _mm512_load_ps(v)));
      }
    return;
  }
  for (int b = 0; b < Blocks; ++b)
    for (int n = 0; n < 2; ++n) write_sums(out, voxel[b], s.rows, n * tile_channels, sums + (2 * b + n) * sum_floats);
}

/// 16 rows of 16 numbers of 32 bits, transposed.
inline void transpose(__m512i* r) {
  __m512i a[16], b[16];
  for (int i = 0; i < 8; ++i) {
    a[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    a[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    b[4 * i] = _mm512_unpacklo_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 1] = _mm512_unpackhi_epi64(a[4 * i], a[4 * i + 2]);
    b[4 * i + 2] = _mm512_unpacklo_epi64(a[4 * i + 1], a[4 * i + 3]);
    b[4 * i + 3] = _mm512_unpackhi_epi64(a[4 * i + 1], a[4 * i + 3]);
  }
  // b[4i + j]: in each quarter q, column 4q + j of rows 4i .. 4i + 3
  for (int j = 0; j < 4; ++j) {
    const __m512i low = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88), high = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xDD);
    const __m512i low2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88),
                  high2 = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xDD);
    r[j] = _mm512_shuffle_i32x4(low, low2, 0x88);
    r[8 + j] = _mm512_shuffle_i32x4(low, low2, 0xDD);
    r[4 + j] = _mm512_shuffle_i32x4(high, high2, 0x88);
    r[12 + j] = _mm512_shuffle_i32x4(high, high2, 0xDD);
  }
}

/// 32 numbers, those of two voxels one after the other, to pairs: 32 bits hold both voxels' number of one channel.
inline __m512i interleave(__m512i voxels) {
  alignas(64) static constexpr std::uint16_t order[32] = {0, 16, 1, 17, 2,  18, 3,  19, 4,  20, 5,  21, 6,  22, 7,  23,
                                                          8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
  return _mm512_permutexvar_epi16(_mm512_load_si512(order), voxels);
}
/// Pairs of the voxels at `from` and `step` further on; without a second one, of the first and zero.
inline __m512i pair_of(const float* from, Index step, bool second, __mmask16 channels) {
  const __m512 a = _mm512_maskz_loadu_ps(channels, from);
  const __m512 b = second ? _mm512_maskz_loadu_ps(channels, from + step) : _mm512_setzero_ps();
  return interleave(reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(b, a)));
}
inline __m512i pair_of(const bfloat16* from, Index step, bool second, __mmask16 channels) {
  const __m256i a = _mm256_maskz_loadu_epi16(channels, from);
  const __m256i b = second ? _mm256_maskz_loadu_epi16(channels, from + step) : _mm256_setzero_si256();
  return interleave(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
}

template <class E>
void transpose_voxels(const E* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  for (Index c = 0; c < channels; c += 16) {
    const auto mask = first_sixteen(channels - c);
    for (Index v = 0; v < voxels; v += 32) {
      __m512i pairs[16];
      for (Index p = 0; p < 16; ++p) {
        const Index at = v + 2 * p;
        pairs[p] = at < voxels ? pair_of(from + at * step + c, step, at + 1 < voxels, mask) : _mm512_setzero_si512();
      }
      transpose(pairs);
      const auto some = first_thirty_two(voxels - v);
      for (Index k = 0; k < std::min<Index>(16, channels - c); ++k)
        _mm512_mask_storeu_epi16(to + (c + k) * stride + v, some, pairs[k]);
    }
  }
}

template <class E>
void pair_voxels(const E* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  for (Index c = 0; c < channels; c += 16, to += stride) {
    const auto mask = first_sixteen(channels - c);
    for (Index v = 0; v < voxels; v += 2)
      _mm512_storeu_si512(to + v * 16, pair_of(from + v * step + c, step, v + 1 < voxels, mask));
  }
}

}  // namespace

bool tiles_available() {
  static const bool available = ask_for_tiles();
  return available;
}

TileScope::TileScope(TileShape shape) {
  TileConfiguration c;
  for (int t = 0; t < 4; ++t) c.set(t, shape.rows, 64);
  for (int t = 4; t < 6; ++t) c.set(t, shape.length / 2, 64);
  for (int t = 6; t < 8; ++t) c.set(t, shape.rows, 2 * shape.length);
  load(c);
}

TileScope::~TileScope() { release(); }

void tile_product(const TileRow& out, TileShape shape, Index tiles, const RowTap<bfloat16>* taps, int count,
                  const bfloat16* weights, const float* bias) {
  memory_is_read();
  // Blocks of voxels; the last overlaps the one before where the width is no multiple of 16, and writes the same again.
  const Index blocks = (out.width + 15) / 16;
  const auto begin = [&](Index b) { return std::min(16 * b, out.width - shape.rows); };
  for (Index b = 0; b < blocks;) {
    const Index voxel[4] = {begin(b), begin(b + 1), begin(b + 2), begin(b + 3)}, left = blocks - b;
    if (tiles == 2) {
      left >= 2 ? product_of_two<2>(out, shape, taps, count, voxel, weights, bias)
                : product_of_two<1>(out, shape, taps, count, voxel, weights, bias);
      b += 2;
    } else if (left >= 4) {
      product_of_one<4>(out, shape, taps, count, voxel, weights, bias);
      b += 4;
    } else {
      left >= 2 ? product_of_one<2>(out, shape, taps, count, voxel, weights, bias)
                : product_of_one<1>(out, shape, taps, count, voxel, weights, bias);
      b += 2;
    }
  }
}

void tile_weights(const bfloat16* const* in, Index stride, const bfloat16* gradient, Index chunks, float* const* sums,
                  int count) {
  const Index bytes = stride * Index{sizeof(bfloat16)};
  memory_is_read();
  _tile_loadd(0, sums[0], 64);
  if (count > 1) _tile_loadd(1, sums[1], 64);
  if (count > 2) _tile_loadd(2, sums[2], 64);
  if (count > 3) _tile_loadd(3, sums[3], 64);
  const auto products = [&]<int Count>() {
    for (Index k = 0; k < chunks; ++k) {
      _tile_loadd(4, gradient + k * 32 * tile_channels, 64);
      _tile_loadd(6, in[0] + 32 * k, bytes);
      _tile_dpbf16ps(0, 6, 4);
      if constexpr (Count > 1) {
        _tile_loadd(7, in[1] + 32 * k, bytes);
        _tile_dpbf16ps(1, 7, 4);
      }
      if constexpr (Count > 2) {
        _tile_loadd(6, in[2] + 32 * k, bytes);
        _tile_dpbf16ps(2, 6, 4);
      }
      if constexpr (Count > 3) {
        _tile_loadd(7, in[3] + 32 * k, bytes);
        _tile_dpbf16ps(3, 7, 4);
      }
    }
  };
  if (count == 1)
    products.operator()<1>();
  else if (count == 2)
    products.operator()<2>();
  else if (count == 3)
    products.operator()<3>();
  else
    products.operator()<4>();
  _tile_stored(0, sums[0], 64);
  if (count > 1) _tile_stored(1, sums[1], 64);
  if (count > 2) _tile_stored(2, sums[2], 64);
  if (count > 3) _tile_stored(3, sums[3], 64);
}

void write_past_cache(const float* from, Index count, float* to) {
  Index i = 0;
  if (reinterpret_cast<std::uintptr_t>(to) % 64 == 0)
    for (; i + 16 <= count; i += 16) _mm512_stream_ps(to + i, _mm512_loadu_ps(from + i));
  std::copy(from + i, from + count, to + i);
}

void round_row(const float* from, Index count, bfloat16* to) {
  for (Index i = 0; i < count; i += 16) {
    const auto mask = first_sixteen(count - i);
    const __m512 v = _mm512_maskz_loadu_ps(mask, from + i);
    _mm256_mask_storeu_epi16(to + i, mask, reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(v)));
  }
}

void transpose_row(const float* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  if (channels == 1 && step == 1) return round_row(from, voxels, to);
  transpose_voxels(from, voxels, step, channels, to, stride);
}
void transpose_row(const bfloat16* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  transpose_voxels(from, voxels, step, channels, to, stride);
}
void pair_row(const float* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  pair_voxels(from, voxels, step, channels, to, stride);
}
void pair_row(const bfloat16* from, Index voxels, Index step, Index channels, bfloat16* to, Index stride) {
  pair_voxels(from, voxels, step, channels, to, stride);
}

void sum_row(const bfloat16* from, Index voxels, Index channels, float* sums) {
  for (Index c = 0; c < channels; c += 16) {
    const auto mask = first_sixteen(channels - c);
    __m512 sum = _mm512_maskz_loadu_ps(mask, sums + c);
    for (Index v = 0; v < voxels; ++v) {
      const __m512i bits = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from + v * channels + c));
      sum = _mm512_add_ps(sum, _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16)));
    }
    _mm512_mask_storeu_ps(sums + c, mask, sum);
  }
}

HWY_POP_ATTRIBUTES

#else

bool tiles_available() { return false; }
TileScope::TileScope(TileShape) {}
TileScope::~TileScope() = default;
namespace {
[[noreturn]] void none() { fail("convolution: this build has no kernels for tile registers"); }
}  // namespace
void tile_product(const TileRow&, TileShape, Index, const RowTap<bfloat16>*, int, const bfloat16*, const float*) {
  none();
}
void tile_weights(const bfloat16* const*, Index, const bfloat16*, Index, float* const*, int) { none(); }
void write_past_cache(const float*, Index, float*) { none(); }
void round_row(const float*, Index, bfloat16*) { none(); }
void transpose_row(const float*, Index, Index, Index, bfloat16*, Index) { none(); }
void transpose_row(const bfloat16*, Index, Index, Index, bfloat16*, Index) { none(); }
void pair_row(const float*, Index, Index, Index, bfloat16*, Index) { none(); }
void pair_row(const bfloat16*, Index, Index, Index, bfloat16*, Index) { none(); }
void sum_row(const bfloat16*, Index, Index, float*) { none(); }

#endif

}  // namespace fringe::cpu

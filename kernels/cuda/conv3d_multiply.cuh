// Products of a warp: sum += a b with a 16 I x K and b K x 8 J, from shared memory, in one of four numeric formats.
//
//   float32    multiply-adds of the ordinary cores: exact products
//   tf32x3     tensor cores; every factor is split into a sum of two tf32 numbers, x = hi + lo, and
//              a b = hi hi + hi lo + lo hi: products are right to about 2^-21, as good as float32 for these sums
//   tf32       tensor cores, factors rounded to 10 bits of fraction: relative errors of products up to 2^-11
//   bfloat16   tensor cores, factors rounded to 7 bits: up to 2^-8
//
// Data in memory are float32 whatever the format: fragments are rounded on their way from shared memory to the tensor core.
// mma.m16n8k16 for bfloat16 wants columns 2t, 2t+1, 2t+8, 2t+9 in thread t, two to a register. A sum may run over its
// index in any order if both factors agree, so two tf32 fragments (columns t, t+4 of eight, and of the next eight) are
// packed instead: all formats read shared memory alike.
#pragma once
#include "kernels/cuda/ptx.cuh"
#include "kernels/stream.h"

namespace fringe::cuda {
namespace {

/// What f<P>() returns for the format that is asked for at run time.
template <class F>
auto with_precision(Precision precision, const F& f) {
  switch (precision) {
    case Precision::float32:
      return f.template operator()<Precision::float32>();
    case Precision::tf32x3:
      return f.template operator()<Precision::tf32x3>();
    case Precision::tf32:
      return f.template operator()<Precision::tf32>();
    case Precision::bfloat16:
      break;
  }
  return f.template operator()<Precision::bfloat16>();
}

/// Where element e of sum[i][j] lies in the warp's 16 I x 8 J block.
template <Precision P>
__device__ __forceinline__ int sum_row(int lane, int i, int e) {
  return 16 * i + (P == Precision::float32 ? 4 * e + (lane >> 3) : 8 * (e >> 1) + (lane >> 2));
}
template <Precision P>
__device__ __forceinline__ int sum_column(int lane, int j, int e) {
  return 8 * j + (P == Precision::float32 ? (lane & 7) : 2 * (lane & 3) + (e & 1));
}
/// Lanes that hold other rows of the same columns differ in these bits.
template <Precision P>
constexpr int row_lanes_from = P == Precision::float32 ? 8 : 4;

__device__ __forceinline__ std::uint32_t bfloat16_pair(std::uint32_t first, std::uint32_t second) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(__uint_as_float(first), __uint_as_float(second));
  std::uint32_t bits;
  memcpy(&bits, &pair, sizeof bits);
  return bits;
}

/// x = hi + lo to 2^-21 |x|, as the tensor core reads them: it drops what is beyond ten bits of lo.
template <int N>
__device__ __forceinline__ void split(const std::uint32_t (&x)[N], std::uint32_t (&hi)[N], std::uint32_t (&lo)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) {
    hi[i] = ptx::to_tf32(__uint_as_float(x[i]));
    lo[i] = __float_as_uint(__uint_as_float(x[i]) - __uint_as_float(hi[i]));
  }
}
template <int N>
__device__ __forceinline__ void round_tf32(std::uint32_t (&x)[N]) {
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] = ptx::to_tf32(__uint_as_float(x[i]));
}

/// One chunk (chunk_of<P> values of the summed index) on the tensor cores. load_a(step, i, fragment) and
/// load_b(step, j, fragment) read the tf32 fragments of eight values: rows g, g+8, columns t, t+4; lane = 4 g + t.
template <Precision P, int I, int J, class LoadA, class LoadB>
__device__ __forceinline__ void multiply_tensor(float (&sum)[I][J][4], const LoadA& load_a, const LoadB& load_b) {
  if constexpr (P == Precision::bfloat16) {
    std::uint32_t b[J][2];
#pragma unroll
    for (int j = 0; j < J; ++j) {
      std::uint32_t first[2], second[2];
      load_b(0, j, first);
      load_b(1, j, second);
      b[j][0] = bfloat16_pair(first[0], first[1]);
      b[j][1] = bfloat16_pair(second[0], second[1]);
    }
#pragma unroll
    for (int i = 0; i < I; ++i) {
      std::uint32_t first[4], second[4];
      load_a(0, i, first);
      load_a(1, i, second);
      const std::uint32_t a[4] = {bfloat16_pair(first[0], first[2]), bfloat16_pair(first[1], first[3]),
                                  bfloat16_pair(second[0], second[2]), bfloat16_pair(second[1], second[3])};
#pragma unroll
      for (int j = 0; j < J; ++j) ptx::multiply_bf16(sum[i][j], a, b[j]);
    }
  } else if constexpr (P == Precision::tf32) {
    std::uint32_t b[J][2];
#pragma unroll
    for (int j = 0; j < J; ++j) {
      load_b(0, j, b[j]);
      round_tf32(b[j]);
    }
#pragma unroll
    for (int i = 0; i < I; ++i) {
      std::uint32_t a[4];
      load_a(0, i, a);
      round_tf32(a);
#pragma unroll
      for (int j = 0; j < J; ++j) ptx::multiply_tf32(sum[i][j], a, b[j]);
    }
  } else {
    static_assert(P == Precision::tf32x3);
    std::uint32_t b_hi[J][2], b_lo[J][2];
#pragma unroll
    for (int j = 0; j < J; ++j) {
      std::uint32_t b[2];
      load_b(0, j, b);
      split(b, b_hi[j], b_lo[j]);
    }
#pragma unroll
    for (int i = 0; i < I; ++i) {
      std::uint32_t a[4], a_hi[4], a_lo[4];
      load_a(0, i, a);
      split(a, a_hi, a_lo);
#pragma unroll
      for (int j = 0; j < J; ++j) {  // small terms first
        ptx::multiply_tf32(sum[i][j], a_lo, b_hi[j]);
        ptx::multiply_tf32(sum[i][j], a_hi, b_lo[j]);
        ptx::multiply_tf32(sum[i][j], a_hi, b_hi[j]);
      }
    }
  }
}

/// The same with ordinary multiply-adds, eight values of the summed index. load_a(quad, i, e) gives four neighbouring
/// values of the row of element (i, e), load_b(quad, j) of the column of j.
template <int I, int J, class LoadA, class LoadB>
__device__ __forceinline__ void multiply_plain(float (&sum)[I][J][4], const LoadA& load_a, const LoadB& load_b) {
#pragma unroll
  for (int quad = 0; quad < 2; ++quad) {
    float4 b[J];
#pragma unroll
    for (int j = 0; j < J; ++j) b[j] = load_b(quad, j);
#pragma unroll
    for (int i = 0; i < I; ++i)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const float4 a = load_a(quad, i, e);
#pragma unroll
        for (int j = 0; j < J; ++j) {
          float s = sum[i][j][e];
          s = fmaf(a.x, b[j].x, s);
          s = fmaf(a.y, b[j].y, s);
          s = fmaf(a.z, b[j].z, s);
          sum[i][j][e] = fmaf(a.w, b[j].w, s);
        }
      }
  }
}

}  // namespace
}  // namespace fringe::cuda

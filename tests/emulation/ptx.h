// The functions of kernels/cuda/ptx.cuh on the CPU.
#pragma once
#include "tests/emulation/emulation.h"

namespace fringe::cuda::ptx {

inline void copy_async_16(void* shared, const void* global, bool valid = true) {
  emulation::copy_async(shared, global, 16, valid);
}
inline void copy_async_4(void* shared, const void* global, bool valid = true) {
  emulation::copy_async(shared, global, 4, valid);
}
inline void copy_async_commit() { emulation::copy_async_commit(); }
template <int Pending>
void copy_async_wait() {
  emulation::copy_async_wait(Pending);
}

}  // namespace fringe::cuda::ptx

namespace emulation {

struct MatrixOperands {
  std::uint16_t row[8];     ///< given: the row this lane's address points at
  std::uint32_t result[4];  ///< received
  int count;                ///< 8x8 matrices
  bool transposed;
};
void carry_out_load_matrix(const Lanes& lanes);

template <int Count>
void load_matrix(std::uint32_t (&r)[Count], const void* row, bool transposed, Place place) {
  MatrixOperands o{{}, {}, Count, transposed};
  if (thread->number % 32 < 8 * Count) {
    if (reinterpret_cast<std::uintptr_t>(row) % 16 != 0) fail("ldmatrix: row address is not a multiple of 16, line %d", place.line);
    for (int i = 0; i < 8; ++i) o.row[i] = static_cast<const std::uint16_t*>(row)[i];  // seen by the sanitizers
  }
  warp_operation("ldmatrix", ~0U, &o, sizeof o, carry_out_load_matrix, place);
  for (int m = 0; m < Count; ++m) r[m] = o.result[m];
}

struct ProductOperands {
  std::uint32_t a[4], b[2];
  float d[4];
};
void carry_out_bf16(const Lanes& lanes);
void carry_out_tf32(const Lanes& lanes);

inline void multiply(void (*carry_out)(const Lanes&), float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                     Place place) {
  ProductOperands o;
  std::memcpy(o.a, a, sizeof a);
  std::memcpy(o.b, b, sizeof b);
  std::memcpy(o.d, d, sizeof d);
  warp_operation("mma", ~0U, &o, sizeof o, carry_out, place);
  std::memcpy(d, o.d, sizeof d);
}

}  // namespace emulation

namespace fringe::cuda::ptx {

inline void load_matrix_x4(std::uint32_t (&r)[4], const void* row, EMULATED_PLACE) {
  emulation::load_matrix(r, row, false, {file, line});
}
inline void load_matrix_x4_transposed(std::uint32_t (&r)[4], const void* row, EMULATED_PLACE) {
  emulation::load_matrix(r, row, true, {file, line});
}
inline void load_matrix_x2(std::uint32_t (&r)[2], const void* row, EMULATED_PLACE) {
  emulation::load_matrix(r, row, false, {file, line});
}
inline void load_matrix_x2_transposed(std::uint32_t (&r)[2], const void* row, EMULATED_PLACE) {
  emulation::load_matrix(r, row, true, {file, line});
}
inline void multiply_bf16(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], EMULATED_PLACE) {
  emulation::multiply(emulation::carry_out_bf16, d, a, b, {file, line});
}
inline void multiply_tf32(float (&d)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2], EMULATED_PLACE) {
  emulation::multiply(emulation::carry_out_tf32, d, a, b, {file, line});
}
/// Rounds away the lower 13 bits of the fraction, ties away from zero (cvt.rna).
inline std::uint32_t to_tf32(float x) {
  const std::uint32_t bits = __float_as_uint(x);
  return (bits & 0x7f800000U) == 0x7f800000U ? bits : (bits + 0x1000U) & 0xffffe000U;
}

}  // namespace fringe::cuda::ptx

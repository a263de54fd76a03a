// Blocks of vectors that stay in registers, compiled once per instruction set: include it between Highway's foreach_target.h and
// the code.
#if defined(FRINGE_CPU_REGISTERS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FRINGE_CPU_REGISTERS_INL_H
#undef FRINGE_CPU_REGISTERS_INL_H
#else
#define FRINGE_CPU_REGISTERS_INL_H
#endif

#include <algorithm>
#include <type_traits>
#include <utility>

#include "hwy/highway.h"
#include "kernels/view.h"

#ifndef FRINGE_INLINE_LAMBDA
#define FRINGE_INLINE_LAMBDA __attribute__((always_inline))
#endif

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Accumulators that fit in the registers beside the operands: there are 32 with AVX-512 and on Arm, else 16.
#if HWY_TARGET == HWY_SCALAR || (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3)
constexpr int accumulators = 8;
#else
constexpr int accumulators = 16;
#endif

/// f(0), f(1), ... f(N-1) with the number as a constant. Loops over an array of vectors, even unrolled ones, make GCC keep
/// the array in memory and store it at every step (measured: 38 instead of 75 % of the matrix-product roof).
template <int N, class F>
HWY_INLINE void unrolled(const F& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) HWY_ATTR FRINGE_INLINE_LAMBDA {
    (f(std::integral_constant<int, I>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

// The first `count` lanes (any number; at most all there are) from memory, others zero, and to memory. What lies behind belongs to
// another voxel, which another thread may be writing, or to nobody: it must not be touched. Only x86 has instructions for that; elsewhere
// Highway's masked ones read a whole vector and write it back.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
template <class D>
HWY_INLINE hn::Mask<D> first_of(D d, Index count) {
  return hn::FirstN(d, static_cast<size_t>(std::clamp<Index>(count, 0, hn::MaxLanes(d))));
}
template <class D>
HWY_INLINE hn::Vec<D> load_first(D d, Index count, const float* from) {
  return hn::MaskedLoad(first_of(d, count), d, from);
}
template <class D>
HWY_INLINE void store_first(D d, Index count, hn::Vec<D> v, float* to) {
  hn::BlendedStore(v, first_of(d, count), d, to);
}
#else
template <class D>
HWY_INLINE hn::Vec<D> load_first(D d, Index count, const float* from) {
  alignas(64) float lanes[hn::MaxLanes(D())] = {};
  std::copy_n(from, std::clamp<Index>(count, 0, hn::MaxLanes(d)), lanes);
  return hn::Load(d, lanes);
}
template <class D>
HWY_INLINE void store_first(D d, Index count, hn::Vec<D> v, float* to) {
  alignas(64) float lanes[hn::MaxLanes(D())];
  hn::Store(v, d, lanes);
  std::copy_n(lanes, std::clamp<Index>(count, 0, hn::MaxLanes(d)), to);
}
#endif

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

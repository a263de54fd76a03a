// CUDA kernels on the CPU, for tests: what a .cu file sees instead of <cuda_runtime.h>. README.md explains the idea.
//
// Types and host prototypes are NVIDIA's own (their C headers compile with any compiler), so a wrong call is a compile
// error here as well; runtime.cpp defines the cudaXxx functions. Kernels become ordinary functions, the built-in variables
// become members of the thread that runs, and every intrinsic used by the kernels of this project is defined below.
#pragma once
#define FRINGE_CUDA_EMULATION 1
#include <cuda_runtime_api.h>
#include <vector_functions.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

// ---- the language ---------------------------------------------------------------------------------------------------
#undef __global__
#undef __device__
#undef __host__
#undef __shared__
#undef __constant__
#undef __launch_bounds__
#undef __grid_constant__
#undef __forceinline__
#undef __noinline__
#undef __restrict__
#undef __align__
#define __global__
#define __device__
#define __host__
#define __constant__
#define __launch_bounds__(...)
#define __grid_constant__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
// One block runs at a time, so that a block's shared arrays can be static. They are filled with NaN before each block
// (shared_arrays.cpp finds them).
#define __shared__ static
#define threadIdx (::emulation::thread->index)
#define blockIdx (::emulation::block.index)
#define blockDim (::emulation::block.size)
#define gridDim (::emulation::block.grid)
#define warpSize 32

namespace emulation {

/// A line of the kernel, for messages.
struct Place {
  const char* file = "";
  int line = 0;
};

enum class State { running, returned, at_barrier, in_warp_operation };

/// A CUDA thread: a fiber with a place in its block.
struct Thread {
  uint3 index{};
  int number = 0;  ///< of the block's threads
  State state = State::returned;
  const char* operation = "";  ///< the warp operation it is in
  unsigned mask = 0;           ///< and its lanes
  Place place;                 ///< where it waits
  alignas(16) std::byte operands[128];  ///< of the warp operation: given, and received
  // of the switch from fiber to fiber
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  void* address_sanitizer = nullptr;
  void* thread_sanitizer = nullptr;
};

struct Block {
  dim3 grid, size;
  uint3 index{};
  char* dynamic_shared = nullptr;
  std::size_t dynamic_bytes = 0;
};

extern Thread* thread;  ///< the one that runs
extern Block block;     ///< the one that runs

inline void* dynamic_shared() { return block.dynamic_shared; }

/// Says what is wrong, where (kernel, block, thread), and ends the program: the kernel's other threads cannot go on.
[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

/// Waits for all threads of the block; returns the sum of their votes.
unsigned barrier(unsigned vote, Place place);

/// What the lanes of a warp have brought to an operation: lane i's operands, where lane i takes part.
struct Lanes {
  Thread* first;
  unsigned present;
  bool has(int lane) const { return present >> lane & 1; }
  template <class T>
  T& of(int lane) const {
    return *reinterpret_cast<T*>(first[lane].operands);
  }
};
/// Waits until all lanes of `mask` that have not returned are in this operation; then `carry_out` reads and changes the
/// operands of all of them at once. The operands are copied in and out unseen by the sanitizers: a warp exchange is no
/// memory access of the kernel, and orders none.
void warp_operation(const char* name, unsigned mask, void* operands, std::size_t bytes, void (*carry_out)(const Lanes&),
                    Place place);
void warp_barrier(unsigned mask, Place place);

/// Runs the kernel's body for every thread of every block, once the stream gets there.
void enqueue_kernel(const char* name, dim3 grid, dim3 size, std::size_t shared_bytes, cudaStream_t stream,
                    std::function<void()> body);

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 size, std::size_t shared_bytes, cudaStream_t stream,
            const char* name, Arguments&&... arguments) {
  enqueue_kernel(name, grid, size, shared_bytes, stream,
                 [kernel, parameters = std::tuple<std::decay_t<Parameters>...>(static_cast<Parameters>(arguments)...)] {
                   auto own = parameters;  // every thread has its own parameters
                   std::apply([kernel](auto&... p) { kernel(p...); }, own);
                 });
}

// Asynchronous copies to shared memory: done only when the thread waits for them, so that a forgotten wait shows.
void copy_async(void* shared, const void* global, int bytes, bool valid);
void copy_async_commit();
void copy_async_wait(int pending);

// ---- warp exchanges ----------------------------------------------------------------------------------------------------
enum class Shuffle { index, up, down, exclusive_or };
struct ShuffleOperands {
  std::uint64_t value;
  Shuffle kind;
  int argument, width;
};
void carry_out_shuffle(const Lanes& lanes);

template <class T>
T shuffle(const char* name, Shuffle kind, unsigned mask, T value, int argument, int width, Place place) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  ShuffleOperands o{0, kind, argument, width};
  std::memcpy(&o.value, &value, sizeof value);
  warp_operation(name, mask, &o, sizeof o, carry_out_shuffle, place);
  std::memcpy(&value, &o.value, sizeof value);
  return value;
}
/// Every lane receives the bits of the lanes whose predicate holds.
unsigned ballot(const char* name, unsigned mask, bool predicate, Place place);

}  // namespace emulation

// Default arguments are evaluated at the call: messages name the kernel's line.
#define EMULATED_PLACE const char *file = __builtin_FILE(), int line = __builtin_LINE()
inline void __syncthreads(EMULATED_PLACE) { emulation::barrier(0, {file, line}); }
inline int __syncthreads_count(int p, EMULATED_PLACE) { return static_cast<int>(emulation::barrier(p != 0, {file, line})); }
inline int __syncthreads_or(int p, EMULATED_PLACE) { return emulation::barrier(p != 0, {file, line}) != 0; }
inline int __syncthreads_and(int p, EMULATED_PLACE) { return emulation::barrier(p == 0, {file, line}) == 0; }
inline void __syncwarp(unsigned mask = ~0U, EMULATED_PLACE) { emulation::warp_barrier(mask, {file, line}); }
template <class T>
T __shfl_sync(unsigned mask, T v, int lane, int width = 32, EMULATED_PLACE) {
  return emulation::shuffle("__shfl_sync", emulation::Shuffle::index, mask, v, lane, width, {file, line});
}
template <class T>
T __shfl_up_sync(unsigned mask, T v, unsigned by, int width = 32, EMULATED_PLACE) {
  return emulation::shuffle("__shfl_up_sync", emulation::Shuffle::up, mask, v, static_cast<int>(by), width, {file, line});
}
template <class T>
T __shfl_down_sync(unsigned mask, T v, unsigned by, int width = 32, EMULATED_PLACE) {
  return emulation::shuffle("__shfl_down_sync", emulation::Shuffle::down, mask, v, static_cast<int>(by), width, {file, line});
}
template <class T>
T __shfl_xor_sync(unsigned mask, T v, int bits, int width = 32, EMULATED_PLACE) {
  return emulation::shuffle("__shfl_xor_sync", emulation::Shuffle::exclusive_or, mask, v, bits, width, {file, line});
}
inline unsigned __ballot_sync(unsigned mask, int p, EMULATED_PLACE) {
  return emulation::ballot("__ballot_sync", mask, p != 0, {file, line});
}
inline int __any_sync(unsigned mask, int p, EMULATED_PLACE) {
  return emulation::ballot("__any_sync", mask, p != 0, {file, line}) != 0;
}
inline int __all_sync(unsigned mask, int p, EMULATED_PLACE) {
  return emulation::ballot("__all_sync", mask, p == 0, {file, line}) == 0;
}
inline void __threadfence() {}
inline void __threadfence_block() {}

// ---- atomics: the accesses are atomic for ThreadSanitizer's eyes ------------------------------------------------------------
namespace emulation {
template <class T, class F>
T read_modify_write(T* at, const F& f) {
  T old, next;
  __atomic_load(at, &old, __ATOMIC_RELAXED);
  do next = f(old);
  while (!__atomic_compare_exchange(at, &old, &next, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return old;
}
}  // namespace emulation
template <class T>
T atomicAdd(T* at, std::type_identity_t<T> v) {
  return emulation::read_modify_write(at, [v](T old) { return static_cast<T>(old + v); });
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> v) {
  return emulation::read_modify_write(at, [v](T old) { return old > v ? old : v; });
}
template <class T>
T atomicExch(T* at, std::type_identity_t<T> v) {
  return emulation::read_modify_write(at, [v](T) { return v; });
}
template <class T>
T atomicCAS(T* at, std::type_identity_t<T> expected, std::type_identity_t<T> v) {
  return emulation::read_modify_write(at, [=](T old) { return old == expected ? v : old; });
}

// ---- loads with hints, arithmetic -------------------------------------------------------------------------------------------
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcs(T* p, T v) {
  *p = v;
}
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline void sincospif(float x, float* s, float* c) {
  *s = static_cast<float>(std::sin(M_PI * static_cast<double>(x)));
  *c = static_cast<float>(std::cos(M_PI * static_cast<double>(x)));
}
inline void sincospi(double x, double* s, double* c) {
  *s = std::sin(M_PI * x);
  *c = std::cos(M_PI * x);
}
inline float __int_as_float(int i) {
  float f;
  std::memcpy(&f, &i, sizeof f);
  return f;
}
inline int __float_as_int(float f) {
  int i;
  std::memcpy(&i, &f, sizeof i);
  return i;
}
inline float __uint_as_float(unsigned u) { return __int_as_float(static_cast<int>(u)); }
inline unsigned __float_as_uint(float f) { return static_cast<unsigned>(__float_as_int(f)); }
inline unsigned __umulhi(unsigned a, unsigned b) { return static_cast<unsigned>((std::uint64_t{a} * b) >> 32); }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x == 0 ? 32 : __builtin_clz(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
template <class T>
  requires std::is_arithmetic_v<T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
  requires std::is_arithmetic_v<T>
T max(T a, T b) {
  return a < b ? b : a;
}

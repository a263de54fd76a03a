// What the address and thread sanitizers have to be told about fibers, device memory and blocks. The emulation itself is
// compiled without them (it would drown the reports); only the kernels are instrumented.
//
// With ThreadSanitizer every CUDA thread is a thread of its own, and switching to it says nothing about order: only our
// barriers do (release by everyone who arrives; acquire, for every waiting thread, by the last one - to acquire when a
// waiter goes on would order it after what others did in between, and hide overwriting races). No order between blocks.
#pragma once
#include <cstddef>

#ifdef EMULATION_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef EMULATION_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
// The only public call that forgets the accesses to a range of memory; it asks for a "heap" first, any will do.
extern "C" void __tsan_java_init(void* heap, unsigned long bytes);
extern "C" void __tsan_java_alloc(void* memory, unsigned long bytes);
#endif

namespace emulation::sanitizer {

#ifdef EMULATION_ADDRESS_SANITIZER
constexpr bool checks_addresses = true;
inline void poison(void* p, std::size_t bytes) { __asan_poison_memory_region(p, bytes); }
inline void unpoison(void* p, std::size_t bytes) { __asan_unpoison_memory_region(p, bytes); }
inline void before_switch(void** keep, const void* stack, std::size_t bytes) {
  __sanitizer_start_switch_fiber(keep, stack, bytes);
}
inline void after_switch(void* kept, const void** left_stack, std::size_t* left_bytes) {
  __sanitizer_finish_switch_fiber(kept, left_stack, left_bytes);
}
#else
constexpr bool checks_addresses = false;
inline void poison(void*, std::size_t) {}
inline void unpoison(void*, std::size_t) {}
inline void before_switch(void**, const void*, std::size_t) {}
inline void after_switch(void*, const void**, std::size_t*) {}
#endif

#ifdef EMULATION_THREAD_SANITIZER
constexpr bool checks_races = true;
inline void* this_fiber() { return __tsan_get_current_fiber(); }
inline void* new_fiber() { return __tsan_create_fiber(0); }
inline void become(void* fiber) { __tsan_switch_to_fiber(fiber, __tsan_switch_to_fiber_no_sync); }
inline void acquire(void* tag) { __tsan_acquire(tag); }
inline void release(void* tag) { __tsan_release(tag); }
inline void forget(void* p, std::size_t bytes) {
  alignas(8) static char heap[8];
  static const bool ready = (__tsan_java_init(heap, sizeof heap), true);
  if (ready && bytes > 0) __tsan_java_alloc(p, (bytes + 7) / 8 * 8);
}
#else
constexpr bool checks_races = false;
inline void* this_fiber() { return nullptr; }
inline void* new_fiber() { return nullptr; }
inline void become(void*) {}
inline void acquire(void*) {}
inline void release(void*) {}
inline void forget(void*, std::size_t) {}
#endif

}  // namespace emulation::sanitizer

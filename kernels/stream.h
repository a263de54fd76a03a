// The place where kernels run: how many threads, and scratch memory that outlives the call.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/view.h"

namespace fringe {

/// Execution resources handed to every kernel as its first argument. One host thread uses one Stream at a time.
class Stream {
 public:
  explicit Stream(int threads = 1) : threads_(threads) {}

  int threads() const { return threads_; }

  /// At least `count` elements of 64-byte aligned, uninitialised memory; valid until the next call on this stream.
  /// It grows to the largest request and stays, so a repeated step allocates nothing.
  template <class T>
  T* scratch(Index count) {
    return scratch_.take<T>(count);
  }

  /// The same, in another place: for operations that run others, which use the scratch memory.
  template <class T>
  T* workspace(Index count) {
    return workspace_.take<T>(count);
  }

  std::size_t scratch_bytes() const { return scratch_.capacity + workspace_.capacity; }

 private:
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  struct Arena {
    std::unique_ptr<std::byte, Free> memory;
    std::size_t capacity = 0;

    template <class T>
    T* take(Index count) {
      const auto bytes = (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
      if (bytes > capacity) {
        memory.reset();
        capacity = 0;
        void* p = std::aligned_alloc(64, bytes);
        if (p == nullptr) throw std::bad_alloc();
        memory.reset(static_cast<std::byte*>(p));
        capacity = bytes;
      }
      return reinterpret_cast<T*>(memory.get());
    }
  };
  int threads_;
  Arena scratch_, workspace_;
};

/// What an operation costs at least: each operand crossing memory once. Benchmarks divide by it.
struct Cost {
  double flops = 0;  ///< floating-point operations, a multiply-add counted as two
  double bytes = 0;  ///< bytes read and written
  Cost operator+(const Cost& o) const { return {flops + o.flops, bytes + o.bytes}; }
};

}  // namespace fringe

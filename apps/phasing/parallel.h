// Independent pieces of work of unequal length on all cores.
#pragma once
#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>

#include "kernels/cpu/team.h"
#include "kernels/view.h"

namespace fringe {

/// Calls body(i) for i = 0..count-1 on `threads` threads, each taking the next i when it is free. The first exception
/// that a body throws is thrown again here, when all have ended.
template <class Body>
void parallel_items(Index count, int threads, const Body& body) {
  std::exception_ptr failure;
  std::mutex mutex;
  std::atomic<Index> next = 0;
  cpu::run_pieces(static_cast<int>(std::min<Index>(threads, count)), [&](int) {
    for (Index i = next++; i < count; i = next++) {
      try {
        body(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!failure) failure = std::current_exception();
      }
    }
  });
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fringe

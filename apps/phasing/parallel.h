// Independent pieces of work of unequal length on all cores.
#pragma once
#include <exception>
#include <mutex>

#include "kernels/view.h"

namespace fringe {

/// Calls body(i) for i = 0..count-1 on `threads` threads, each taking the next i when it is free. The first exception
/// that a body throws is thrown again here, when all have ended.
template <class Body>
void parallel_items(Index count, int threads, const Body& body) {
  std::exception_ptr failure;
  std::mutex mutex;
#pragma omp parallel for schedule(dynamic) num_threads(threads)
  for (Index i = 0; i < count; ++i) {
    try {
      body(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace fringe

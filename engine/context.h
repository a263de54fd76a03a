// Where a network lives and runs: a backend's kernels, its stream, and the pool its tensors come from.
#pragma once
#include <memory>

#include "engine/buffer_pool.h"
#include "engine/profile.h"
#include "kernels/stream.h"
#include "kernels/table.h"

namespace fringe {

/// Passed by reference to everything that computes. Outlives its tensors' users (tensors keep the pool alive).
template <class T>
struct Context {
  const KernelTable<T>& kernels;
  Stream stream;
  std::shared_ptr<BufferPool> pool = std::make_shared<BufferPool>();
  Profile* profile = nullptr;  ///< counts kernels while set

  explicit Context(const KernelTable<T>& table, int threads = 1) : kernels(table), stream(threads) {}

  /// Runs the kernel in `slot` on the stream: launch(&KernelTable<T>::add, "add", a, b, y).
  template <class F, class... Args>
  void launch(F* KernelTable<T>::* slot, const char* name, Args&&... args) {
    F* const f = kernel(kernels, slot, name);
    if (profile == nullptr) {
      f(stream, std::forward<Args>(args)...);
      return;
    }
    const auto start = Profile::Clock::now();
    f(stream, std::forward<Args>(args)...);
    profile->add(name, std::chrono::duration<double>(Profile::Clock::now() - start).count());
  }
};

/// The backend of this machine for float: the CPU kernels, or what FRINGE_BACKEND=reference|cpu asks for.
const KernelTable<float>& default_table();

}  // namespace fringe

// Where a network lives and runs: a backend's kernels, the device they work on, its stream, and the pool its tensors come from.
#pragma once
#include <deque>
#include <memory>
#include <type_traits>

#include "engine/backend.h"
#include "engine/buffer_pool.h"
#include "engine/mark.h"
#include "engine/profile.h"
#include "kernels/stream.h"

namespace fringe {

/// Passed by reference to everything that computes. Outlives its tensors' users (tensors keep the pool alive).
template <class T>
struct Context {
  const KernelTable<T>& kernels;
  Stream stream;
  std::shared_ptr<BufferPool> pool;
  Profile* profile = nullptr;  ///< counts kernels while set

  explicit Context(const KernelTable<T>& table, int threads = 1, const Device& device = host_device())
      : kernels(table), stream(threads, device), pool(std::make_shared<BufferPool>(device, stream.shared_queue())) {}
  explicit Context(const Backend& backend, int threads = 1)
    requires std::is_same_v<T, float>
      : Context(*backend.kernels, threads, *backend.device) {
    if (backend.precision != Precision::float32) stream.set_precision(backend.precision);
  }

  const Device& device() const { return stream.device(); }
  /// Of a fork, counted from 1, while its work is handed over (engine/fork.h); else 0.
  std::size_t part() const { return part_; }

  /// For what the host program prepares or examines element by element: this context where its memory is the host's, else
  /// one of the CPU with as many threads.
  Context& host() {
    if (device().host_memory) return *this;
    if constexpr (std::is_same_v<T, float>) {
      if (!host_) host_ = std::make_unique<Context>(cpu::table(), stream.threads());
      return *host_;
    } else {
      fail("context: no backend computes in double on device '{}'", device().name);
    }
  }

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
    if (!device().host_memory) stream.wait();  // the kernel itself, not its launch
    profile->add(name, std::chrono::duration<double>(Profile::Clock::now() - start).count());
  }

  /// Of all scratch memory, that of a fork's parts included.
  std::size_t scratch_bytes() const {
    std::size_t bytes = stream.scratch_bytes();
    for (const Part& p : parts_) bytes += p.stream.scratch_bytes();
    return bytes;
  }
  /// Changes when any of it has moved: a captured graph then has old addresses.
  std::size_t moves() const {
    std::size_t count = stream.moves();
    for (const Part& p : parts_) count += p.stream.moves();
    return count;
  }

 private:
  template <class>
  friend class Fork;
  /// Where a part of a fork runs.
  struct Part {
    Stream stream;
    Mark done;
    Part(int threads, const Device& device) : stream(threads, device), done(make_mark(device)) {}
  };
  std::unique_ptr<Context> host_;
  std::deque<Part> parts_;
  Mark before_fork_{nullptr, nullptr};
  bool forked_ = false;
  std::size_t part_ = 0;
};

}  // namespace fringe

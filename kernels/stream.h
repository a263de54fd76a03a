// The place where kernels run: how many threads or which queue, and scratch memory that outlives the call.
#pragma once
#include <cstddef>
#include <memory>

#include "kernels/device.h"
#include "kernels/view.h"

namespace fringe {

/// The numeric format of the factors in products that have a choice: those of the convolutions. Sums are float in all of them,
/// and so are data in memory unless a contract says otherwise. The CPU and the reference know bfloat16, and take all others for
/// float32.
enum class Precision {
  float32,   ///< ordinary multiply-adds
  tf32x3,    ///< tensor cores, every factor as the sum of two tf32 numbers: as good as float32
  tf32,      ///< tensor cores, factors rounded to 10 bits of fraction
  bfloat16,  ///< factors rounded to 7 bits of fraction: tensor cores, or tiles of x86
};

/// As on the command line; the formats that only one device has are its float32.
constexpr const char* precision_name(Precision p) { return p == Precision::bfloat16 ? "bf16" : "float32"; }

/// Execution resources handed to every kernel as its first argument. One host thread uses one Stream at a time.
class Stream {
 public:
  explicit Stream(int threads = 1, const Device& device = host_device())
      : threads_(threads), device_(&device), queue_(device.open_queue(), device.close_queue), scratch_(device),
        workspace_(device) {}

  int threads() const { return threads_; }  ///< of the host
  const Device& device() const { return *device_; }
  Precision precision() const { return precision_; }
  void set_precision(Precision precision) { precision_ = precision; }
  void* queue() const { return queue_.get(); }
  /// For who gives work to the queue and may outlive this stream: pools of memory.
  const std::shared_ptr<void>& shared_queue() const { return queue_; }
  void wait() const { device_->wait(queue()); }

  /// At least `count` elements of 64-byte aligned, uninitialised memory; valid until the next call on this stream.
  /// It grows to the largest request and stays, so a repeated step allocates nothing.
  template <class T>
  T* scratch(Index count) {
    return scratch_.take<T>(*device_, count);
  }

  /// The same, in another place: for operations that run others, which use the scratch memory.
  template <class T>
  T* workspace(Index count) {
    return workspace_.take<T>(*device_, count);
  }

  std::size_t workspace_bytes() const { return workspace_.capacity; }
  /// Gives the workspace back; the next workspace() takes another.
  void release_workspace() { workspace_.drop(); }

  std::size_t scratch_bytes() const { return scratch_.capacity + workspace_.capacity; }
  /// Changes when scratch memory or workspace has moved: a captured graph then has old addresses.
  std::size_t moves() const { return scratch_.moves + workspace_.moves; }

 private:
  struct Arena {
    std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory;
    std::size_t capacity = 0, moves = 0;

    explicit Arena(const Device& device) : memory(nullptr, device.release) {}
    void drop() {
      memory.reset();
      capacity = 0;
    }
    template <class T>
    T* take(const Device& device, Index count) {
      const auto bytes = (static_cast<std::size_t>(count) * sizeof(T) + 63) / 64 * 64;
      if (bytes > capacity) {
        drop();
        memory.reset(device.allocate(bytes));
        capacity = bytes;
        ++moves;
      }
      return reinterpret_cast<T*>(memory.get());
    }
  };
  int threads_;
  Precision precision_ = Precision::tf32x3;
  const Device* device_;
  std::shared_ptr<void> queue_;
  Arena scratch_, workspace_;
};

/// What an operation costs at least: each operand crossing memory once. Benchmarks divide by it.
struct Cost {
  double flops = 0;  ///< floating-point operations, a multiply-add counted as two
  double bytes = 0;  ///< bytes read and written
  Cost operator+(const Cost& o) const { return {flops + o.flops, bytes + o.bytes}; }
};

}  // namespace fringe

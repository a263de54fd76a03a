// Memory for tensors: freed buffers are kept and handed out again, so a repeated training step allocates nothing.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "kernels/device.h"

namespace fringe {

/// Hands out 64-byte aligned buffers of one device's memory. A returned buffer goes to the free list of its exact size; the
/// same sequence of requests and returns gives the same addresses again. Not thread safe: one pool belongs to one Context.
///
/// On a device a buffer may be returned while work that uses it still waits in the queue: everything that uses the pool's
/// buffers goes through that one queue, so the next user comes later (the pool is stream-ordered). The parts of a fork have
/// queues and pools of their own (engine/fork.h).
class BufferPool {
 public:
  explicit BufferPool(const Device& device = host_device(), std::shared_ptr<void> queue = {})
      : device_(&device), queue_(std::move(queue)) {}
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  std::byte* take(std::size_t bytes);
  void give_back(std::byte* buffer, std::size_t bytes) noexcept;

  const Device& device() const { return *device_; }
  void* queue() const { return queue_.get(); }
  const std::shared_ptr<void>& shared_queue() const { return queue_; }
  /// A pool in host memory, for what comes back from the device.
  const std::shared_ptr<BufferPool>& host();

  /// The pool of part k of a fork (engine/fork.h). This one keeps it.
  const std::shared_ptr<BufferPool>& part(std::size_t k);
  /// What tensors of this pool hand over from now on (fill, copies) goes to `queue`.
  void work_on(const std::shared_ptr<void>& queue) { queue_ = queue; }

  std::size_t allocations() const { return allocations_; }          ///< times the device was asked for memory
  std::size_t bytes_allocated() const { return bytes_allocated_; }  ///< all memory held, in use or free
  std::size_t bytes_in_use() const { return bytes_in_use_; }
  std::size_t peak_bytes() const;  ///< largest bytes_in_use so far, with the largest of each part

 private:
  const Device* device_;
  std::shared_ptr<void> queue_;  ///< lives as long as the buffers
  std::shared_ptr<BufferPool> host_;
  std::vector<std::shared_ptr<BufferPool>> parts_;
  std::map<std::size_t, std::vector<std::byte*>> free_;
  std::size_t allocations_ = 0, bytes_allocated_ = 0, bytes_in_use_ = 0, peak_bytes_ = 0;
};

}  // namespace fringe

// Memory for tensors: freed buffers are kept and handed out again, so a repeated training step allocates nothing.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

namespace fringe {

/// Hands out 64-byte aligned buffers. A returned buffer goes to the free list of its exact size; the same sequence of
/// requests and returns gives the same addresses again. Not thread safe: one pool belongs to one Context.
class BufferPool {
 public:
  BufferPool() = default;
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  ~BufferPool();

  std::byte* take(std::size_t bytes);
  void give_back(std::byte* buffer, std::size_t bytes) noexcept;

  std::size_t allocations() const { return allocations_; }          ///< times the system was asked for memory
  std::size_t bytes_allocated() const { return bytes_allocated_; }  ///< all memory held, in use or free
  std::size_t bytes_in_use() const { return bytes_in_use_; }
  std::size_t peak_bytes() const { return peak_bytes_; }  ///< largest bytes_in_use so far

 private:
  std::map<std::size_t, std::vector<std::byte*>> free_;
  std::size_t allocations_ = 0, bytes_allocated_ = 0, bytes_in_use_ = 0, peak_bytes_ = 0;
};

}  // namespace fringe

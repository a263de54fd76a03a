#include "engine/buffer_pool.h"

#include <algorithm>
#include <cstdlib>

#include "kernels/error.h"

namespace fringe {

BufferPool::~BufferPool() {
  for (auto& [bytes, buffers] : free_)
    for (std::byte* b : buffers) std::free(b);
}

std::byte* BufferPool::take(std::size_t bytes) {
  bytes = std::max<std::size_t>(64, (bytes + 63) / 64 * 64);
  bytes_in_use_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, bytes_in_use_);
  auto& buffers = free_[bytes];
  if (!buffers.empty()) {
    std::byte* b = buffers.back();
    buffers.pop_back();
    return b;
  }
  auto* b = static_cast<std::byte*>(std::aligned_alloc(64, bytes));
  if (b == nullptr) {
    bytes_in_use_ -= bytes;
    fail("out of memory: {} MB asked for, {} MB held already; use a smaller --width or --size", bytes >> 20,
         bytes_allocated_ >> 20);
  }
  ++allocations_;
  bytes_allocated_ += bytes;
  buffers.reserve(buffers.size() + 1);  // so that give_back need not allocate in the usual case
  return b;
}

void BufferPool::give_back(std::byte* buffer, std::size_t bytes) noexcept {
  bytes = std::max<std::size_t>(64, (bytes + 63) / 64 * 64);
  bytes_in_use_ -= bytes;
  free_[bytes].push_back(buffer);
}

}  // namespace fringe

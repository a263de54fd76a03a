#include "engine/buffer_pool.h"

#include <algorithm>

#include "kernels/error.h"

namespace fringe {
namespace {

std::size_t rounded(std::size_t bytes) { return std::max<std::size_t>(64, (bytes + 63) / 64 * 64); }

}  // namespace

BufferPool::~BufferPool() {
  for (auto& [bytes, buffers] : free_)
    for (std::byte* b : buffers) device_->release(b);
}

std::byte* BufferPool::take(std::size_t bytes) {
  bytes = rounded(bytes);
  auto& buffers = free_[bytes];
  std::byte* b = nullptr;
  if (!buffers.empty()) {
    b = buffers.back();
    buffers.pop_back();
  } else {
    try {
      b = device_->allocate(bytes);
    } catch (const OutOfMemory& error) {
      fail<OutOfMemory>("{} ({} MB are held already)", error.what(), bytes_allocated_ >> 20);
    }
    ++allocations_;
    bytes_allocated_ += bytes;
    buffers.reserve(buffers.size() + 1);  // so that give_back need not allocate in the usual case
  }
  bytes_in_use_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, bytes_in_use_);
  return b;
}

void BufferPool::give_back(std::byte* buffer, std::size_t bytes) noexcept {
  bytes = rounded(bytes);
  bytes_in_use_ -= bytes;
  free_[bytes].push_back(buffer);
}

const std::shared_ptr<BufferPool>& BufferPool::host() {
  if (!host_) host_ = std::make_shared<BufferPool>();
  return host_;
}

const std::shared_ptr<BufferPool>& BufferPool::part(std::size_t k) {
  while (parts_.size() <= k) parts_.push_back(std::make_shared<BufferPool>(*device_, queue_));
  return parts_[k];
}

std::size_t BufferPool::peak_bytes() const {
  std::size_t bytes = peak_bytes_;
  for (const auto& part : parts_) bytes += part->peak_bytes_;
  return bytes;
}

}  // namespace fringe

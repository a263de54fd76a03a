#include "kernels/device.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/error.h"

namespace fringe {

namespace {
DeviceCounters host_counters;

std::byte* allocate(std::size_t bytes) {
  auto* memory = static_cast<std::byte*>(std::aligned_alloc(64, (bytes + 63) / 64 * 64));
  ++host_counters.allocations;
  if (memory == nullptr) fail<OutOfMemory>("out of memory: {} MB asked for; use a smaller --width or --size", bytes >> 20);
  return memory;
}
}  // namespace

const Device& host_device() {
  static constexpr Device host{
      .name = "cpu",
      .host_memory = true,
      .allocate = allocate,
      .release = [](std::byte* memory) noexcept { std::free(memory); },
      .open_queue = []() -> void* { return nullptr; },
      .close_queue = [](void*) noexcept {},
      .wait = [](void*) {},
      .upload = [](void*, void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); },
      .download = [](void*, void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); },
      .copy = [](void*, void* to, const void* from, std::size_t bytes) { std::memmove(to, from, bytes); },
      .fill = [](void*, float* to, float value, std::size_t count) { std::fill(to, to + count, value); },
      .put = [](void*, float* to, const float* values, std::size_t count) { std::copy(values, values + count, to); },
      .gather =
          [](void*, float* to, const float* const* from, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) to[i] = *from[i];
          },
      .make_mark = []() -> void* { return nullptr; },
      .destroy_mark = [](void*) noexcept {},
      .set_mark = [](void*, void*) {},
      .await_mark = [](void*, void*) {},
      .pass_mark = [](void*) {},
      .allocate_staging = allocate,
      .release_staging = [](std::byte* memory) noexcept { std::free(memory); },
      .upload_staged = [](void*, void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); },
      .begin_capture = nullptr,
      .end_capture = nullptr,
      .replay = nullptr,
      .destroy_graph = nullptr,
      .counters = []() -> DeviceCounters& { return host_counters; },
  };
  return host;
}

}  // namespace fringe

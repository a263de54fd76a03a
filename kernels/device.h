// Where a backend's arrays live and where its work queues: plain functions, one set for each kind of memory.
#pragma once
#include <atomic>
#include <cstddef>
#include <string>
#include <vector>

namespace fringe {

/// What a device was asked for since the program began, by whoever asked: tests and reports look at differences. A training
/// step that is repeated should add nothing here.
struct DeviceCounters {
  std::atomic<std::size_t> allocations{0};  ///< times memory was asked for
  std::atomic<std::size_t> waits{0};        ///< times the host program waited for the device: downloads, and wait()
  std::atomic<std::size_t> holds{0};        ///< times it was ahead of the device and waited for room: pass_mark()
  std::atomic<std::size_t> replays{0};      ///< launches of captured graphs
};

/// The host is one Device, a CUDA device another. Work handed to a queue runs in the order it was handed over, and may
/// still be running when the call returns; on the host there is no queue (it is null) and work is done on return.
struct Device {
  const char* name;  ///< "cpu", "cuda"
  bool host_memory;  ///< its arrays may be read and written by the host program

  /// Memory aligned to at least 64 bytes, uninitialised. Throws OutOfMemory: what was asked, what is free, what to lower.
  std::byte* (*allocate)(std::size_t bytes);
  void (*release)(std::byte* memory) noexcept;

  void* (*open_queue)();
  void (*close_queue)(void* queue) noexcept;
  void (*wait)(void* queue);  ///< until everything handed to the queue is done; throws DeviceError when some of it failed

  void (*upload)(void* queue, void* to, const void* from_host, std::size_t bytes);    ///< from_host may change on return
  void (*download)(void* queue, void* to_host, const void* from, std::size_t bytes);  ///< waits: the data are there
  void (*copy)(void* queue, void* to, const void* from, std::size_t bytes);           ///< within the device
  void (*fill)(void* queue, float* to, float value, std::size_t count);

  /// to[i] = values[i]: at most `few` numbers, which travel with the command, so that nobody waits for a copy.
  void (*put)(void* queue, float* to, const float* values, std::size_t count);
  /// to[i] = *from[i], from at most `few` places on the device.
  void (*gather)(void* queue, float* to, const float* const* from, std::size_t count);
  static constexpr std::size_t few = 16;

  // Two queues: one may bring the data of the next step while the other works on this one.
  void* (*make_mark)();
  void (*destroy_mark)(void* mark) noexcept;
  void (*set_mark)(void* queue, void* mark);    ///< here, behind what the queue has been handed
  void (*await_mark)(void* queue, void* mark);  ///< what this queue is handed from now on comes after the mark
  void (*pass_mark)(void* mark);  ///< the host waits until its queue has come to the mark; not when it was never set
  /// Host memory that uploads are read from while the host program goes on.
  std::byte* (*allocate_staging)(std::size_t bytes);
  void (*release_staging)(std::byte* memory) noexcept;
  /// Of staging memory, which must stay as it is until a mark behind it has been passed.
  void (*upload_staged)(void* queue, void* to, const void* from_staging, std::size_t bytes);

  // Graphs: what is handed to the queue between begin_capture and end_capture is recorded instead of done, and replay() does
  // all of it with one command, with the arguments it was recorded with. Nothing may be allocated or waited for meanwhile.
  // They are null where work is not recorded: on the host, which has no queue, and where every kernel is waited for.
  void (*begin_capture)(void* queue);
  void* (*end_capture)(void* queue);  ///< the graph; throws Error when something could not be recorded
  void (*replay)(void* queue, void* graph);
  void (*destroy_graph)(void* graph) noexcept;

  DeviceCounters& (*counters)();
};

const Device& host_device();

namespace cuda {
/// Whether this program was built with the CUDA backend.
bool in_build();
struct DeviceInfo {
  int index;  ///< as the driver counts
  std::string name;
};
/// The CUDA devices that this program can use; when there are none, `why_none` says why. Never throws: without a driver, a
/// device, or the CUDA backend in this build, the list is empty.
std::vector<DeviceInfo> devices(std::string& why_none);
/// The memory and queues of CUDA device `index`, which becomes the one this process uses. Throws Error when there is none.
const Device& device(int index);
}  // namespace cuda

}  // namespace fringe

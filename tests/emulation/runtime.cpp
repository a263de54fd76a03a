// The CUDA runtime of the emulated device: memory, streams, events, graphs.
//
// Streams are lazy: work runs only when the host waits for it, or when something later in the default order needs it, that
// is as late as CUDA allows. A missing event or wait then gives stale data or NaN. EMU_EAGER=1 runs it at once.
// Device memory is an address range of its own, closed to the host program unless a kernel or a copy runs; it is filled with
// NaN, guarded on both sides, and not handed out again after it is freed. A captured graph is the list of its work, one for each
// stream that took part in the capture: these lanes wait for one another where the streams did, and run in turn as late as they
// can or as early as they can.
#include <csignal>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

#include "tests/emulation/counters.h"
#include "tests/emulation/internal.h"
#include "tests/emulation/sanitizers.h"

namespace emulation {
namespace {

Counters counted;
Machine pretended;
cudaError_t last_error = cudaSuccess;    // what cudaGetLastError returns
cudaError_t broken = cudaSuccess;        // the context's error: sticky, as on a device

cudaError_t failed(cudaError_t error) { return last_error = error; }

// ---- memory ------------------------------------------------------------------------------------------------------------
constexpr std::size_t page = 4096, arena_bytes = std::size_t{64} << 30;
constexpr unsigned char guard_byte = 0xA5;
char* arena = nullptr;
char* arena_top = nullptr;
std::map<const char*, std::size_t> allocations;
std::map<const char*, std::unique_ptr<char[]>> pinned;
std::map<const char*, std::size_t> pinned_bytes;
std::size_t bytes_in_use = 0;
int open_depth = 0;

std::size_t rounded(std::size_t bytes) { return (bytes + page - 1) / page * page; }

bool in_device_memory(const void* p) {
  return arena != nullptr && static_cast<const char*>(p) >= arena && static_cast<const char*>(p) < arena + arena_bytes;
}

void on_segmentation_fault(int, siginfo_t* info, void*) {
  const bool device = in_device_memory(info->si_addr) && open_depth == 0;
  const char* text = device ? "emulation: host code touched device memory\n" : "emulation: segmentation fault\n";
  if (write(2, text, std::strlen(text)) < 0) _exit(96);
  _exit(97);
}

void open_arena() {
  if (arena != nullptr) return;
  void* p = mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) fail("no address space for device memory");
  arena = arena_top = static_cast<char*>(p);
  struct sigaction action {};
  action.sa_sigaction = on_segmentation_fault;
  action.sa_flags = SA_SIGINFO;
  if (!sanitizer::checks_addresses) sigaction(SIGSEGV, &action, nullptr);
}

void protect(int how) {
  if (arena_top > arena) mprotect(arena, static_cast<std::size_t>(arena_top - arena), how);
}

void check_guards(const char* p, std::size_t bytes) {
  if (sanitizer::checks_addresses) return;  // the sanitizer has watched them
  const char* const end = p + rounded(bytes) + page;
  for (const char* q = p - page; q < end; q = q == p - 1 ? p + bytes : q + 1)
    if (static_cast<unsigned char>(*q) != guard_byte) {
      std::fprintf(stderr, "emulation: something was written %td bytes %s an array of %zu bytes in device memory\n",
                   q < p ? p - q : q - p - static_cast<std::ptrdiff_t>(bytes), q < p ? "before" : "behind", bytes);
      _exit(98);
    }
}

// ---- streams -----------------------------------------------------------------------------------------------------------
using Work = std::function<void()>;

struct Graph {
  struct Place {
    std::size_t lane, step;  ///< before this step
  };
  struct Step {
    Work work;  ///< none: it waits
    Place awaited{};
  };
  std::vector<std::vector<Step>> lanes{1};  ///< the first is that of the stream where the capture began
  std::size_t launches = 0;

  /// Whether the lane's end has been waited for by the first lane, or by one that has been.
  bool joined(std::size_t lane) const {
    if (lane == 0) return true;
    for (std::size_t l = 0; l < lanes.size(); ++l)
      for (const Step& s : lanes[l])
        if (!s.work && s.awaited.lane == lane && s.awaited.step == lanes[lane].size() && joined(l)) return true;
    return false;
  }
};

struct Stream {
  std::deque<Work> queue;
  std::uint64_t given = 0, done = 0;
  std::shared_ptr<Graph> capture;
  std::size_t lane = 0;  ///< of the capture
};
struct Event {
  Stream* stream = nullptr;
  std::uint64_t position = 0;
  std::shared_ptr<Graph> graph;  ///< recorded within its capture
  Graph::Place place{};
  std::chrono::steady_clock::time_point time;
};

std::vector<Stream*>& streams() {
  static Stream legacy;
  static std::vector<Stream*> all{&legacy};
  return all;
}

Stream& of(cudaStream_t s) { return s == nullptr ? *streams().front() : *reinterpret_cast<Stream*>(s); }

void run_until(Stream& s, std::uint64_t position) {
  while (s.done < position && !s.queue.empty()) {
    const Work work = std::move(s.queue.front());
    s.queue.pop_front();
    ++s.done;
    if (broken == cudaSuccess) work();  // after an error a device runs nothing more
  }
}
void run_all() {
  for (Stream* s : streams()) run_until(*s, s->given);
}
bool capturing() {
  for (const Stream* s : streams())
    if (s->capture) return true;
  return false;
}

/// One replay. Every second one runs lanes as soon as they can run, the others when they are waited for.
class Replay {
 public:
  explicit Replay(Graph& graph) : graph_(graph), done_(graph.lanes.size()), early_(graph.launches++ % 2 != 0) {}
  void run() { run_until({0, graph_.lanes[0].size()}); }

 private:
  void run_until(const Graph::Place& place) {
    auto& lane = graph_.lanes[place.lane];
    while (done_[place.lane] < place.step) {
      const Graph::Step& step = lane[done_[place.lane]];
      if (!step.work) {
        if (place.lane == 0 && early_) run_others();
        run_until(step.awaited);
      }
      ++done_[place.lane];
      if (step.work && broken == cudaSuccess) step.work();
    }
  }
  /// As far as they need nothing more of the first lane.
  void run_others() {
    for (std::size_t l = 1; l < graph_.lanes.size(); ++l)
      while (done_[l] < graph_.lanes[l].size()) {
        const Graph::Step& step = graph_.lanes[l][done_[l]];
        if (!step.work && done_[step.awaited.lane] < step.awaited.step) break;
        run_until({l, done_[l] + 1});
      }
  }

  Graph& graph_;
  std::vector<std::size_t> done_;
  bool early_;
};

cudaError_t wait_for(Stream& s) {
  if (s.capture) return failed(cudaErrorStreamCaptureUnsupported);
  ++counted.waits;
  if (&s == streams().front()) run_all();
  run_until(s, s.given);
  return broken != cudaSuccess ? failed(broken) : cudaSuccess;
}

bool is_pinned(const void* p) {
  const auto* c = static_cast<const char*>(p);
  const auto after = pinned_bytes.upper_bound(c);
  return after != pinned_bytes.begin() && c < std::prev(after)->first + std::prev(after)->second;
}

}  // namespace

const Counters& counters() { return counted; }
Machine& machine() { return pretended; }
void repair() {
  pretended = {};
  broken = last_error = cudaSuccess;
}

DeviceMemoryOpen::DeviceMemoryOpen() {
  if (open_depth++ == 0) protect(PROT_READ | PROT_WRITE);
}
DeviceMemoryOpen::~DeviceMemoryOpen() {
  if (--open_depth == 0) protect(PROT_NONE);
}

void require_device_range(const void* p, std::size_t bytes, const char* what) {
  const auto* c = static_cast<const char*>(p);
  const auto after = allocations.upper_bound(c);
  if (after == allocations.begin() || c + bytes > std::prev(after)->first + std::prev(after)->second)
    fail("%s: %zu bytes at %p are not inside one live array in device memory", what, bytes, p);
}

void enqueue(cudaStream_t stream, Work work) {
  static const bool eager = setting("EMU_EAGER", 0) != 0;
  Stream& s = of(stream);
  if (s.capture) {
    s.capture->lanes[s.lane].push_back({std::move(work)});
    return;
  }
  s.queue.push_back(std::move(work));
  ++s.given;
  if (&s == streams().front()) run_all();
  if (eager) run_until(s, s.given);
}

void enqueue_kernel(const char* name, dim3 grid, dim3 size, std::size_t shared_bytes, cudaStream_t stream, Work body) {
  ++counted.kernels;
  enqueue(stream, [=, body = std::move(body)] {
    if (pretended.kernel_error != 0 && std::string_view(name).find(pretended.failing_kernel) != std::string_view::npos) {
      broken = static_cast<cudaError_t>(pretended.kernel_error);
      return;
    }
    run_grid(name, grid, size, shared_bytes, body);
  });
}

}  // namespace emulation

using namespace emulation;

extern "C" {

// ---- memory ------------------------------------------------------------------------------------------------------------
cudaError_t cudaMalloc(void** p, std::size_t bytes) {
  if (capturing()) return failed(cudaErrorStreamCaptureUnsupported);
  if (bytes_in_use + bytes > pretended.memory || pretended.allocations == 0) return failed(cudaErrorMemoryAllocation);
  --pretended.allocations;
  open_arena();
  const DeviceMemoryOpen open;
  char* const begin = arena_top + page;
  const std::size_t span = rounded(bytes);
  if (begin + span + page > arena + arena_bytes) fail("the emulated device has handed out %zu GB in all", arena_bytes >> 30);
  mprotect(arena_top, span + 2 * page, PROT_READ | PROT_WRITE);
  arena_top = begin + span + page;
  unseen_fill(begin - page, guard_byte, page);
  unseen_fill(begin, 0xff, bytes);
  unseen_fill(begin + bytes, guard_byte, span - bytes + page);
  sanitizer::poison(begin - page, page);
  sanitizer::unpoison(begin, bytes);
  sanitizer::poison(begin + bytes, span - bytes + page);
  allocations[begin] = bytes;
  bytes_in_use += bytes;
  ++counted.allocations;
  *p = begin;
  return cudaSuccess;
}

cudaError_t cudaFree(void* p) {
  if (p == nullptr) return cudaSuccess;
  run_all();
  const auto found = allocations.find(static_cast<char*>(p));
  if (found == allocations.end()) fail("cudaFree of %p, which is no live array", p);
  const auto [begin, bytes] = *found;
  {
    const DeviceMemoryOpen open;
    check_guards(begin, bytes);
    unseen_fill(p, 0xff, bytes);
  }
  sanitizer::poison(p, bytes);
  madvise(p, rounded(bytes), MADV_DONTNEED);
  bytes_in_use -= bytes;
  allocations.erase(found);
  ++counted.frees;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* total) {
  *total = pretended.memory;
  *free = pretended.memory - bytes_in_use;
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** p, std::size_t bytes) {
  auto memory = std::make_unique<char[]>(bytes);
  *p = memory.get();
  pinned_bytes[memory.get()] = bytes;
  pinned[memory.get()] = std::move(memory);
  return cudaSuccess;
}

cudaError_t cudaFreeHost(void* p) {
  run_all();
  pinned_bytes.erase(static_cast<char*>(p));
  pinned.erase(static_cast<char*>(p));
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream) {
  const bool to_device = in_device_memory(to), from_device = in_device_memory(from);
  if (to_device) require_device_range(to, bytes, "copy to");
  if (from_device) require_device_range(from, bytes, "copy from");
  if (kind != cudaMemcpyDefault && (to_device != (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice) ||
                                    from_device != (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice)))
    fail("cudaMemcpy: kind %d does not fit the pointers", static_cast<int>(kind));
  ++counted.copies;
  if (!from_device && !is_pinned(from)) {  // CUDA has copied pageable memory when it returns
    if (of(stream).capture) return failed(cudaErrorStreamCaptureUnsupported);
    std::vector<char> kept(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
    enqueue(stream, [to, kept = std::move(kept)] {
      const DeviceMemoryOpen open;
      std::memcpy(to, kept.data(), kept.size());
    });
    return cudaSuccess;
  }
  const bool waits = !to_device && !is_pinned(to);
  if (waits && of(stream).capture) return failed(cudaErrorStreamCaptureUnsupported);
  enqueue(stream, [to, from, bytes] {
    const DeviceMemoryOpen open;
    std::memmove(to, from, bytes);
  });
  return waits ? wait_for(of(stream)) : cudaSuccess;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  require_device_range(to, bytes, "cudaMemset");
  enqueue(stream, [to, value, bytes] {
    const DeviceMemoryOpen open;
    std::memset(to, value, bytes);
  });
  return cudaSuccess;
}

// ---- streams and events --------------------------------------------------------------------------------------------------
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  streams().push_back(new Stream);
  *s = reinterpret_cast<cudaStream_t>(streams().back());
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s) {
  Stream& stream = of(s);
  run_until(stream, stream.given);
  std::erase(streams(), &stream);
  delete &stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s) { return wait_for(of(s)); }

cudaError_t cudaDeviceSynchronize() {
  if (capturing()) return failed(cudaErrorStreamCaptureUnsupported);
  return wait_for(*streams().front());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t e, unsigned) {
  const Event event = *reinterpret_cast<Event*>(e);
  Stream& stream = of(s);
  if (event.graph) {
    if (!stream.capture) {  // this stream takes part from now on
      stream.capture = event.graph;
      stream.lane = event.graph->lanes.size();
      event.graph->lanes.emplace_back();
    }
    if (stream.capture != event.graph) return failed(cudaErrorStreamCaptureMerge);
    event.graph->lanes[stream.lane].push_back({{}, event.place});
    return cudaSuccess;
  }
  if (stream.capture) return failed(cudaErrorStreamCaptureIsolation);
  if (event.stream != nullptr) enqueue(s, [event] { run_until(*event.stream, event.position); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* e, unsigned) {
  *e = reinterpret_cast<cudaEvent_t>(new Event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* e) { return cudaEventCreateWithFlags(e, 0); }

cudaError_t cudaEventRecord(cudaEvent_t e, cudaStream_t s) {
  auto* event = reinterpret_cast<Event*>(e);
  *event = {};
  if (const Stream& stream = of(s); stream.capture) {
    event->graph = stream.capture;
    event->place = {stream.lane, stream.capture->lanes[stream.lane].size()};
    return cudaSuccess;
  }
  event->stream = &of(s);
  enqueue(s, [event] { event->time = std::chrono::steady_clock::now(); });
  event->position = event->stream->given;
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t e) {
  const auto* event = reinterpret_cast<Event*>(e);
  if (broken != cudaSuccess) return failed(broken);
  return event->stream == nullptr || event->stream->done >= event->position ? cudaSuccess : failed(cudaErrorNotReady);
}

cudaError_t cudaEventSynchronize(cudaEvent_t e) {
  auto* event = reinterpret_cast<Event*>(e);
  ++counted.waits;
  if (event->stream != nullptr) run_until(*event->stream, event->position);
  return broken != cudaSuccess ? failed(broken) : cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t a, cudaEvent_t b) {
  const auto span = reinterpret_cast<Event*>(b)->time - reinterpret_cast<Event*>(a)->time;
  *milliseconds = std::chrono::duration<float, std::milli>(span).count();
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t e) {
  run_all();
  delete reinterpret_cast<Event*>(e);
  return cudaSuccess;
}

// ---- graphs ----------------------------------------------------------------------------------------------------------------
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  if (s == nullptr || of(s).capture) return failed(cudaErrorStreamCaptureUnsupported);
  of(s).capture = std::make_shared<Graph>();
  of(s).lane = 0;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  *graph = nullptr;
  const std::shared_ptr<Graph> capture = of(s).capture;
  if (!capture) return failed(cudaErrorIllegalState);
  if (of(s).lane != 0) return failed(cudaErrorStreamCaptureUnmatched);
  for (Stream* stream : streams())
    if (stream->capture == capture) stream->capture.reset();
  for (std::size_t lane = 0; lane < capture->lanes.size(); ++lane)
    if (!capture->joined(lane)) return failed(cudaErrorStreamCaptureUnjoined);
  *graph = reinterpret_cast<cudaGraph_t>(new Graph(*capture));
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t s, cudaStreamCaptureStatus* status) {
  *status = of(s).capture ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  *executable = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t s) {
  ++counted.graphs;
  enqueue(s, [graph = reinterpret_cast<Graph*>(executable)] { Replay(*graph).run(); });
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  run_all();
  delete reinterpret_cast<Graph*>(executable);
  return cudaSuccess;
}

// ---- devices and errors ------------------------------------------------------------------------------------------------------
cudaError_t cudaGetDeviceCount(int* count) {
  if (pretended.driver_error != 0) return failed(static_cast<cudaError_t>(pretended.driver_error));
  *count = pretended.devices;
  return pretended.devices > 0 ? cudaSuccess : failed(cudaErrorNoDevice);
}

cudaError_t cudaSetDevice(int index) { return index < pretended.devices ? cudaSuccess : failed(cudaErrorInvalidDevice); }

cudaError_t cudaGetDevice(int* index) {
  *index = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (attribute != cudaDevAttrMaxSharedMemoryPerBlockOptin) return failed(cudaErrorInvalidValue);
  *value = 227 << 10;  // compute capability 9.0
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  if (index >= pretended.devices) return failed(cudaErrorInvalidDevice);
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "emulated device");
  properties->major = pretended.capability / 10;
  properties->minor = pretended.capability % 10;
  properties->totalGlobalMem = pretended.memory;
  return cudaSuccess;
}

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void*) {
  *attributes = {};
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = last_error;
  last_error = cudaSuccess;
  return error;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "cudaSuccess";
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorInsufficientDriver: return "cudaErrorInsufficientDriver";
    case cudaErrorNoDevice: return "cudaErrorNoDevice";
    case cudaErrorIllegalAddress: return "cudaErrorIllegalAddress";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    default: return "cudaError";
  }
}
const char* cudaGetErrorString(cudaError_t error) { return cudaGetErrorName(error); }

}  // extern "C"

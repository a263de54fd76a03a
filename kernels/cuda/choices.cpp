#include "kernels/cuda/choices.h"

#include <cuda_runtime_api.h>

#include "kernels/cuda/check.h"
#include "kernels/libraries.h"

namespace fringe::cuda {
namespace {

cudaStream_t queue_of(const Stream& stream) { return static_cast<cudaStream_t>(stream.queue()); }

bool is_not_recorded(const Stream& stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(queue_of(stream), &status), "query of the queue");
  return status == cudaStreamCaptureStatusNone;
}

struct Events {
  cudaEvent_t begin = nullptr, end = nullptr;
  Events() {
    check(cudaEventCreate(&begin), "making an event");
    check(cudaEventCreate(&end), "making an event");
  }
  ~Events() { cudaEventDestroy(begin), cudaEventDestroy(end); }
  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;
};

double seconds(const Stream& stream, const std::function<void()>& run) {
  constexpr int repetitions = 4;
  const Events events;
  check(cudaDeviceSynchronize(), "wait for the device");  // other parts of a fork would be timed with it
  check(cudaEventRecord(events.begin, queue_of(stream)), "recording an event");
  for (int k = 0; k < repetitions; ++k) run();
  check(cudaEventRecord(events.end, queue_of(stream)), "recording an event");
  check(cudaEventSynchronize(events.end), "wait for the device");
  float milliseconds = 0;
  check(cudaEventElapsedTime(&milliseconds, events.begin, events.end), "reading a time");
  return milliseconds / repetitions * 1e-3;
}

}  // namespace

Chooser& chooser() {
  static Chooser the_one({is_not_recorded, seconds});
  return the_one;
}

void prefer_cudnn() { chooser().prefer(Way::cudnn); }

}  // namespace fringe::cuda

// The same step again and again: on a device recorded once, and from then on launched as one graph.
#pragma once
#include <functional>
#include <map>

#include "engine/context.h"

namespace fringe {

/// The graph of what `work` hands to the stream's queue, on a device that records; for Device::replay and destroy_graph. Throws what
/// `work` throws, or Error when something could not be recorded.
inline void* recorded(const Stream& stream, const std::function<void()>& work) {
  const Device& device = stream.device();
  device.begin_capture(stream.queue());
  try {
    work();
  } catch (...) {
    try {
      device.destroy_graph(device.end_capture(stream.queue()));
    } catch (const Error&) {  // the first error is the one to report
    }
    throw;
  }
  return device.end_capture(stream.queue());
}

/// A step may come in several kinds (with and without a term of the loss, one optimizer or the other): each has its graph.
///
/// On the host run() calls the step. On a device the first step of a kind runs as it is: it asks for the memory it needs, of
/// a pool that only this object's steps use. The second is recorded, the third and later ones replay the record. So
///  - what changes from step to step must be in tensors that were made before, which the host program sets by put();
///  - what it leaves behind, too: the tensors that a step makes are its own, and must be gone at its end;
///  - tensors that it uses and does not make must outlive this object.
/// With a Profile attached steps are run as they are: it counts kernel by kernel. So they are where the device records nothing.
template <class T>
class Replay {
 public:
  explicit Replay(Context<T>& context)
      : context_(context), pool_(std::make_shared<BufferPool>(context.device(), context.stream.shared_queue())) {}
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;
  ~Replay() {
    try {
      context_.stream.wait();
    } catch (const Error&) {  // who waits next will hear of it
    }
    for (auto& [kind, record] : records_) forget(record);
  }

  void run(int kind, const std::function<void()>& step) {
    if (context_.device().host_memory) {
      step();
      return;
    }
    Record& record = records_[kind];
    if (record.graph != nullptr && record.moves != context_.moves()) {  // it has old addresses
      context_.stream.wait();
      forget(record);
    }
    if (!record.run_once || context_.profile != nullptr || context_.device().begin_capture == nullptr) {
      const OwnPool own(*this);
      step();
      record.run_once = true;
      return;
    }
    if (record.graph == nullptr) capture(record, step);
    context_.device().replay(context_.stream.queue(), record.graph);
  }

  const BufferPool& pool() const { return *pool_; }  ///< of the steps' tensors, on a device

 private:
  struct Record {
    bool run_once = false;
    void* graph = nullptr;
    std::size_t moves = 0;  ///< of the scratch memory, at the time of the capture
  };
  /// While one lives, the context's tensors come from this object's pool.
  class OwnPool {
   public:
    explicit OwnPool(Replay& replay) : replay_(replay) { replay_.context_.pool.swap(replay_.pool_); }
    ~OwnPool() { replay_.context_.pool.swap(replay_.pool_); }
    OwnPool(const OwnPool&) = delete;
    OwnPool& operator=(const OwnPool&) = delete;

   private:
    Replay& replay_;
  };

  void capture(Record& record, const std::function<void()>& step) {
    const OwnPool own(*this);
    record.graph = recorded(context_.stream, step);
    record.moves = context_.moves();
  }
  void forget(Record& record) noexcept {
    if (record.graph != nullptr) context_.device().destroy_graph(record.graph);
    record.graph = nullptr;
  }

  Context<T>& context_;
  std::shared_ptr<BufferPool> pool_;
  std::map<int, Record> records_;
};

}  // namespace fringe

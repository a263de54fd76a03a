// Parts of a step that need nothing of each other: on a device side by side.
#pragma once
#include <functional>
#include <set>
#include <utility>

#include "engine/context.h"

namespace fringe {

/// On a device that records steps each part has a queue of its own, with scratch memory and a pool (docs/adr/0013-side-by-side.md). A
/// part begins after what the context was handed before the fork, and what the context is handed after join() begins after all
/// parts: their tensors may be used from then on. Between the two nothing but parts may run. A recorded step has the fork in
/// its graph. Elsewhere the parts run one after another, and this class does nothing.
///
/// Memory: a part takes from its own pool, whose buffers this part alone uses until the parts have met. What a part gives
/// back to the context's pool may still be read by that part, but nothing is taken from there before join().
template <class T>
class Fork {
 public:
  explicit Fork(Context<T>& context) : context_(context), apart_(context.device().begin_capture != nullptr) {
    if (!apart_) return;
    require(!context_.forked_, "fork: within a fork");
    context_.forked_ = true;
    if (!context_.before_fork_) context_.before_fork_ = make_mark(context_.device());
    context_.device().set_mark(context_.stream.queue(), context_.before_fork_.get());
  }
  Fork(const Fork&) = delete;
  Fork& operator=(const Fork&) = delete;
  ~Fork() {
    try {
      join();
    } catch (const Error&) {  // there is another one under way, or who waits next will hear of it
    }
  }

  /// Hands over the work of part 0, 1, ...: more of the same part comes after it.
  void run(std::size_t part, const std::function<void()>& work) {
    if (!apart_) return work();
    auto& parts = context_.parts_;
    while (parts.size() <= part) parts.emplace_back(context_.stream.threads(), context_.device());
    if (begun_.insert(part).second)
      context_.device().await_mark(parts[part].stream.queue(), context_.before_fork_.get());
    const Inside inside(context_, part);
    work();
  }

  void join() {
    if (!apart_ || !context_.forked_) return;
    context_.forked_ = false;
    const Device& device = context_.device();
    for (const std::size_t part : begun_) device.set_mark(context_.parts_[part].stream.queue(), context_.parts_[part].done.get());
    for (auto part = begun_.rbegin(); part != begun_.rend(); ++part)
      device.await_mark(context_.stream.queue(), context_.parts_[*part].done.get());
  }

 private:
  /// While one lives, the context's work goes to the part.
  class Inside {
   public:
    Inside(Context<T>& context, std::size_t part)
        : context_(context), part_(context.parts_[part]), number_(part + 1), pool_(context.pool->part(part)) {
      part_.stream.set_precision(context.stream.precision());
      exchange();
    }
    ~Inside() { exchange(); }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

   private:
    void exchange() {
      std::swap(context_.stream, part_.stream);
      std::swap(context_.part_, number_);
      context_.pool.swap(pool_);
      for (const auto& pool : {pool_, context_.pool}) pool->work_on(context_.stream.shared_queue());
    }
    Context<T>& context_;
    typename Context<T>::Part& part_;
    std::size_t number_;
    std::shared_ptr<BufferPool> pool_;
  };

  Context<T>& context_;
  bool apart_;
  std::set<std::size_t> begun_;
};

}  // namespace fringe

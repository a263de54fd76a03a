#include "kernels/cpu/team.h"

#ifdef __linux__
#include <sched.h>
#endif

#include <atomic>
#include <chrono>
#include <hwy/cache_control.h>
#include <memory>
#include <system_error>
#include <thread>
#include <vector>

namespace fringe::cpu {
namespace {

using Clock = std::chrono::steady_clock;
/// Longer than from one kernel to the next and than most kernels' threads wait for each other, shorter than what a scheduler
/// gives to somebody else. Measured: docs/adr/0008-threads.md.
constexpr auto awake = std::chrono::microseconds(500);

/// The processor this thread is on, -1 where that cannot be asked.
int processor() {
#ifdef __linux__
  return sched_getcpu();
#else
  return -1;
#endif
}

/// Returns when `number` is no longer `old`. Who waits for a thread that was last on this processor is in its way, and sleeps at once;
/// of several threads the first is asked.
void wait_for_change(const std::atomic<unsigned>& number, unsigned old, const std::atomic<int>& others_processor) {
  const auto here = [&] {
    const int mine = processor();
    return mine >= 0 && mine == others_processor.load(std::memory_order_relaxed);
  };
  for (const auto begin = Clock::now(); Clock::now() - begin < awake && !here();)
    for (int i = 0; i < 16; ++i) {
      if (number.load(std::memory_order_acquire) != old) return;
      hwy::Pause();
    }
  number.wait(old, std::memory_order_acquire);
}

class Team {
 public:
  ~Team() {
    ending_ = true;
    for (auto& helper : helpers_) helper->call();
  }

  void run(int pieces, void (*body)(const void*, int), const void* data) {
    const int helped = start_helpers(pieces - 1);
    body_ = body;
    data_ = data;
    processor_.store(processor(), std::memory_order_relaxed);
    unfinished_.store(static_cast<unsigned>(helped), std::memory_order_relaxed);
    for (int i = 0; i < helped; ++i) helpers_[static_cast<std::size_t>(i)]->call();
    body(data, 0);
    for (int piece = helped + 1; piece < pieces; ++piece) body(data, piece);
    while (const unsigned left = unfinished_.load(std::memory_order_acquire)) wait_for_change(unfinished_, left, helpers_.front()->processor);
  }

 private:
  struct alignas(64) Helper {
    std::atomic<unsigned> calls{0};
    std::atomic<int> processor{-1};  ///< where it was when it last began a piece
    std::jthread thread;

    void call() {
      calls.fetch_add(1, std::memory_order_release);
      calls.notify_one();
    }
  };

  /// The number of helpers there are, at most `wanted`.
  int start_helpers(int wanted) {
    while (static_cast<int>(helpers_.size()) < wanted) {
      auto helper = std::make_unique<Helper>();
      const int piece = static_cast<int>(helpers_.size()) + 1;
      try {
        helper->thread = std::jthread([this, piece, &helper = *helper] { serve(piece, helper); });
      } catch (const std::system_error&) {
        return static_cast<int>(helpers_.size());  // a limit of the user or of the batch system
      }
      helpers_.push_back(std::move(helper));
    }
    return wanted;
  }

  void serve(int piece, Helper& helper) {
    for (unsigned served = 0;; ++served) {
      wait_for_change(helper.calls, served, processor_);
      if (ending_) return;
      helper.processor.store(processor(), std::memory_order_relaxed);
      body_(data_, piece);
      if (unfinished_.fetch_sub(1, std::memory_order_acq_rel) == 1) unfinished_.notify_one();
    }
  }

  void (*body_)(const void*, int) = nullptr;
  const void* data_ = nullptr;
  bool ending_ = false;
  std::atomic<int> processor_{-1};  ///< of the thread that calls
  alignas(64) std::atomic<unsigned> unfinished_{0};
  std::vector<std::unique_ptr<Helper>> helpers_;
};

}  // namespace

void run_pieces(int pieces, void (*body)(const void*, int), const void* data) {
  if (pieces <= 1) {
    if (pieces == 1) body(data, 0);
    return;
  }
  // A piece may have pieces itself, while this thread's helpers are at those around it: then it has others.
  thread_local std::vector<std::unique_ptr<Team>> teams;
  thread_local std::size_t depth = 0;
  if (teams.size() == depth) teams.push_back(std::make_unique<Team>());
  teams[depth++]->run(pieces, body, data);
  --depth;
}

}  // namespace fringe::cpu

// Batches of training crystals that are made on a device. What goes there is a crystal's density, and the pattern where it is
// stored (or nothing: it is drawn there); input and targets are made of it by kernels.
//
// The next batch comes while the network works on this one, on a queue of its own: it is read from the set into page-locked
// memory and copied from there, or drawn. Between the queues there are marks, so that nobody waits but who is ahead:
//
//   queue of the batches   | copy k+1 to `incoming`, as soon as k has been taken from there | ...
//   queue of the network   | take k from `incoming` | make, forward, loss, backward of k    | take k+1 | ...
//   the host program       reads k+2, hands over k+1, ...: at most two batches ahead
#pragma once
#include <array>
#include <memory>

#include "apps/phasing/dataset.h"
#include "engine/mark.h"

namespace fringe {

class DeviceBatches {
 public:
  /// `count` visits to a batch. The network works on `context`, whose device is `backend`'s. Without `twin` there are no twin's
  /// targets.
  DeviceBatches(Context<float>& context, const Backend& backend, Dataset& data, FitInput input, Index count, bool twin);
  DeviceBatches(const DeviceBatches&) = delete;
  DeviceBatches& operator=(const DeviceBatches&) = delete;
  ~DeviceBatches();

  /// Hands over the visits from `first` on. Crystals that are drawn are waited for round by round (device_simulation.h), on
  /// their queue.
  void next(Index first);
  /// What the network gets of the batch that next() has handed over: the same memory each time. Launches alone, for a recorded
  /// step. As Dataset::training on the host, to rounding.
  const Batch& make();

 private:
  struct Staging {
    std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory;
    Mark read;  ///< by the device
  };
  void upload(Index first);
  void make_input();
  bool brings_intensities() const { return incoming_intensities_.operator bool(); }

  Context<float>& context_;
  Context<float> feeder_;  ///< the queue of the batches
  Dataset& data_;
  FitInput input_;
  Index count_;
  std::array<Staging, 2> staging_;  ///< of sets
  std::size_t turn_ = 0;
  Mark arrived_, taken_;
  Tensor<float> incoming_, incoming_intensities_;  ///< the latter of patterns that are stored, or have noise
  Tensor<float> field_;                            ///< where crystals are drawn, or exposed
  Tensor<float> densities_, intensities_;          ///< what incoming_ was, for the network's queue
  Batch batch_;
};

}  // namespace fringe

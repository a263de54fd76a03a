// The steps of supervised training: forward, loss and backward of every micro-batch, the sum of their gradients, the optimizer.
//
// On the host a step is done when the call returns. On a device it is only handed over: a micro-batch is one graph
// (engine/replay.h), of which there are kinds: the first of a step begins the sums, the last, when there is one process, ends
// with the optimizer. The losses stay there until somebody reads them. Several processes meet on the host, so there every step
// is waited for.
#pragma once
#include <memory>
#include <vector>

#include "apps/phasing/device_batches.h"
#include "apps/phasing/train.h"
#include "engine/replay.h"

namespace fringe {

class TrainingSteps {
 public:
  TrainingSteps(Context<float>& context, const TrainOptions& options, const Ranks& ranks, Dataset& data,
                Network<float>& network, Optimizer<float>& optimizer);

  /// Step `number`, counted from 0. `stopping` becomes true when it is on any rank. A step that finds `most_unread` losses
  /// reads them itself.
  void step(Index number, const StepPlan& plan, bool& stopping);
  /// The losses of the steps since the last call, over all ranks; waits for them.
  std::vector<double> read();
  /// Whether there is something to read without a wait, or so much that it is time.
  bool should_read() const { return rows_ == 0 || rows_ >= most_unread; }
  static constexpr Index most_unread = 20;

 private:
  void compute(const Batch& batch, bool first, bool last);
  void fetch();
  void meet(bool& stopping);
  void sum(bool overwrite, float divisor, const std::vector<Tensor<float>>& x, const std::vector<Tensor<float>>& y);

  Context<float>& context_;
  const TrainOptions& options_;
  const Ranks& ranks_;
  Dataset& data_;
  Network<float>& network_;
  Optimizer<float>& optimizer_;
  Tape<float> tape_;
  Index micro_batches_;  ///< of a step
  Index own_;            ///< of them this rank's
  std::unique_ptr<DeviceBatches> batches_;  ///< on a device
  std::vector<Tensor<float>> gradients_, statistics_;  ///< the network's own
  // Of several micro-batches: the sums so far, and what BatchNorm's running statistics were before the step.
  std::vector<Tensor<float>> gradient_sums_, statistic_sums_, statistics_before_;
  Tensor<float> losses_;   ///< of the crystals of one micro-batch
  Tensor<float> history_;  ///< of those of the steps that nobody has read: rows_ rows of them are filled
  Index rows_ = 0;
  std::vector<double> news_;  ///< seen by the host, not yet by read()'s caller
  Replay<float> replay_;
};

}  // namespace fringe

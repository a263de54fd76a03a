#include "apps/phasing/training_steps.h"

#include <utility>

namespace fringe {
namespace {

std::vector<Tensor<float>> like(Context<float>& context, const std::vector<Tensor<float>>& tensors) {
  std::vector<Tensor<float>> made;
  for (const auto& t : tensors) made.emplace_back(context, t.shape());
  return made;
}

}  // namespace

TrainingSteps::TrainingSteps(Context<float>& context, const TrainOptions& options, const Ranks& ranks, Dataset& data,
                             Network<float>& network, Optimizer<float>& optimizer)
    : context_(context), options_(options), ranks_(ranks), data_(data), network_(network), optimizer_(optimizer),
      tape_(context), micro_batches_(options.batch / options.micro_batch),
      own_((micro_batches_ - ranks.rank() + ranks.size() - 1) / ranks.size()),
      losses_(context, sample_vector(options.micro_batch)), history_(context, {most_unread, own_, 1, 1, options.micro_batch}),
      replay_(context) {
  if (!context.device().host_memory)
    batches_ = std::make_unique<DeviceBatches>(context, options.backend, data, options.input, options.micro_batch,
                                               options.twin_invariant);
  for (const auto* p : network.parameters()) gradients_.push_back(p->grad);
  for (const auto* b : network.buffers()) statistics_.push_back(b->value);
  if (own_ == 1) return;
  gradient_sums_ = like(context, gradients_);
  statistic_sums_ = like(context, statistics_);
  statistics_before_ = like(context, statistics_);
}

void TrainingSteps::sum(bool overwrite, float divisor, const std::vector<Tensor<float>>& x,
                        const std::vector<Tensor<float>>& y) {
  std::vector<AccumulateSlot<float>> slots;
  for (std::size_t i = 0; i < x.size(); ++i) slots.push_back({x[i].read(), y[i].view()});
  context_.launch(&KernelTable<float>::accumulate, "accumulate", AccumulateParams<float>{overwrite, divisor},
                  std::span<const AccumulateSlot<float>>(slots));
}

/// One micro-batch. After the last one the parameters' gradients are the sums, and the statistics the means, of this rank's.
void TrainingSteps::compute(const Batch& batch, bool first, bool last) {
  if (own_ > 1) {  // every micro-batch moves the statistics from where they were
    if (first)
      sum(true, 1, statistics_, statistics_before_);
    else
      sum(true, 1, statistics_before_, statistics_);
  }
  const auto output = network_.forward(tape_, tape_.constant(batch.input));
  const auto losses = supervised_loss<float>(output, batch.targets, options_.weights);
  const auto mean = autograd::weighted_sum<float>({1.0F / static_cast<float>(options_.batch)}, {losses});
  tape_.backward(mean);
  losses_.copy_from(mean.value());
  tape_.clear();
  const auto share = static_cast<float>(micro_batches_);
  if (own_ == 1) {
    if (micro_batches_ > 1) sum(true, share, statistics_, statistics_);
    return;
  }
  sum(first, share, statistics_, statistic_sums_);
  if (last) {
    sum(false, 1, gradient_sums_, gradients_);
    sum(true, 1, statistic_sums_, statistics_);
  } else {
    sum(first, 1, gradients_, gradient_sums_);
  }
}

void TrainingSteps::step(Index number, const StepPlan& plan, bool& stopping) {
  if (rows_ == most_unread) fetch();
  const bool alone = ranks_.size() == 1, sgd = plan.method == Method::sgd;
  if (alone) optimizer_.prepare(plan);
  for (Index k = 0; k < own_; ++k) {
    const Index first = number * options_.batch + (ranks_.rank() + k * ranks_.size()) * options_.micro_batch;
    Batch batch;
    if (batches_) {
      batches_->next(first);
    } else {
      batch = data_.training(context_, options_.input, first, 1, options_.micro_batch);
      if (!options_.twin_invariant) batch.targets.twin = {};
    }
    const bool begins = k == 0, ends = k == own_ - 1, optimizes = ends && alone;
    replay_.run(begins + 2 * ends + 4 * (optimizes && sgd), [&] {
      compute(batches_ ? batches_->make() : batch, begins, ends);
      if (optimizes) optimizer_.apply(plan.method);
    });
    context_.device().copy(context_.stream.queue(), history_.view().data + (rows_ * own_ + k) * losses_.size(),
                           losses_.view().data, static_cast<std::size_t>(losses_.size()) * sizeof(float));
  }
  ++rows_;
  if (!alone) {
    meet(stopping);
    optimizer_.prepare(plan);
    replay_.run(8 + sgd, [&] { optimizer_.apply(plan.method); });
  } else if (context_.device().host_memory) {
    fetch();
  }
}

/// Brings the rows of the history to the host.
void TrainingSteps::fetch() {
  if (rows_ == 0) return;
  const Tensor<float> rows = history_.to_host();
  for (Index row = 0; row < rows_; ++row) {
    float total = 0;
    for (Index k = 0; k < own_; ++k) {
      double loss = 0;
      for (Index i = 0; i < losses_.size(); ++i) loss += static_cast<double>(rows[(row * own_ + k) * losses_.size() + i]);
      total += static_cast<float>(loss);
    }
    news_.push_back(static_cast<double>(total));
  }
  rows_ = 0;
}

/// Gradients, BatchNorm's statistics, loss, and the wish to stop: one sum over the ranks, on the host.
void TrainingSteps::meet(bool& stopping) {
  fetch();
  std::vector<float> sums;
  for (const auto* tensors : {&gradients_, &statistics_})
    for (const auto& t : *tensors) {
      const Tensor<float> values = t.to_host();
      sums.insert(sums.end(), values.data(), values.data() + values.size());
    }
  sums.push_back(static_cast<float>(news_.back()));
  sums.push_back(stopping ? 1.0F : 0.0F);
  ranks_.sum(std::span<float>(sums));
  std::size_t at = 0;
  for (const auto* tensors : {&gradients_, &statistics_})
    for (const auto& t : *tensors) {
      const auto size = static_cast<std::size_t>(t.size());
      t.from_host({sums.data() + at, size});
      at += size;
    }
  news_.back() = static_cast<double>(sums[at]);
  stopping = sums[at + 1] > 0;
}

std::vector<double> TrainingSteps::read() {
  fetch();
  return std::exchange(news_, {});
}

}  // namespace fringe

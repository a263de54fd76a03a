// Optimizers over a network's parameters.
#pragma once
#include <vector>

#include "engine/checkpoint.h"
#include "engine/parameter.h"
#include "engine/schedule.h"

namespace fringe {

/// Keeps the moments of ADAM and, from its first step on, the momentum of SGD for a set of parameters, so that a schedule may
/// alternate them.
template <class T>
class Optimizer {
 public:
  Optimizer(Context<T>& context, std::vector<Parameter<T>*> parameters);

  /// One step along the gradients that are in the parameters: prepare(), then apply().
  void step(const StepPlan& plan);
  /// Sets what the next step has of its own: its rate, its number. Not part of a recorded step (replay.h), which apply() is.
  void prepare(const StepPlan& plan);
  void apply(Method method);

  double sgd_momentum = 0.9;

  /// Moments and step count under "optimizer.", for a run that goes on bit for bit.
  void save(Checkpoint& checkpoint) const;
  void load(const Checkpoint& checkpoint);

 private:
  void begin_momentum();

  Context<T>& context_;
  std::vector<Parameter<T>*> parameters_;
  std::vector<Tensor<T>> m_, v_, momentum_;  ///< one for each parameter; no momentum before it is needed
  Tensor<T> factors_, rate_;  ///< of kernels/adam.h and kernels/sgd.h
  Index adam_steps_ = 0;
};

}  // namespace fringe

// How the learning rate changes over a run, and which optimizer takes the step.
#pragma once
#include <string>

#include "kernels/view.h"

namespace fringe {

enum class Schedule {
  constant,
  cosine,      ///< from `rate` down to 0: rate (1 + cos(pi t)) / 2, t = step / steps
  step,        ///< rate * decay^(step / period)
  alternating  ///< like `step`, and ADAM and SGD take turns every `period` steps (Wu et al. 2021), ADAM first
};

enum class Method { adam, sgd };

struct ScheduleOptions {
  Schedule schedule = Schedule::cosine;
  Method method = Method::adam;  ///< of all schedules but `alternating`
  double rate = 0.002;
  double decay = 0.95;
  Index period = 200;   ///< steps
  double warm_up = 0;   ///< share of the run over which the rate rises linearly from 0
};

/// What to do at `step` (from 0) of `steps`.
struct StepPlan {
  Method method;
  double rate;
};
StepPlan plan_step(const ScheduleOptions& options, Index step, Index steps);

/// Names as on the command line; parse_schedule throws Error and lists them.
std::string name(Schedule schedule);
Schedule parse_schedule(const std::string& text);

}  // namespace fringe

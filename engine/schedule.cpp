#include "engine/schedule.h"

#include <cmath>
#include <numbers>

namespace fringe {

StepPlan plan_step(const ScheduleOptions& o, Index step, Index steps) {
  require(step >= 0 && steps > 0 && o.period > 0, "schedule: step {} of {}, period {}", step, steps, o.period);
  StepPlan plan{o.method, o.rate};
  const double t = static_cast<double>(step) / static_cast<double>(steps);
  switch (o.schedule) {
    case Schedule::constant:
      break;
    case Schedule::cosine:
      plan.rate *= (1 + std::cos(std::numbers::pi * std::min(t, 1.0))) / 2;
      break;
    case Schedule::alternating:
      plan.method = step / o.period % 2 == 0 ? Method::adam : Method::sgd;
      [[fallthrough]];
    case Schedule::step:
      plan.rate *= std::pow(o.decay, static_cast<double>(step / o.period));
      break;
  }
  if (t < o.warm_up) plan.rate *= t / o.warm_up;
  return plan;
}

std::string name(Schedule schedule) {
  switch (schedule) {
    case Schedule::constant: return "constant";
    case Schedule::cosine: return "cosine";
    case Schedule::step: return "step";
    case Schedule::alternating: return "alternating";
  }
  fail("schedule: unknown value {}", static_cast<int>(schedule));
}

Schedule parse_schedule(const std::string& text) {
  for (const Schedule s : {Schedule::constant, Schedule::cosine, Schedule::step, Schedule::alternating})
    if (text == name(s)) return s;
  fail("schedule '{}': expected constant, cosine, step or alternating", text);
}

}  // namespace fringe

#include "apps/phasing/polish.h"

#include <cmath>

#include "apps/phasing/outcome.h"
#include "apps/phasing/single_voxels.h"
#include "layers/diffraction.h"

namespace fringe {

Polished polish(Context<float>& context, const FitProblem& problem, const Volume<Complex>& object,
                const PolishOptions& options, const std::atomic<int>& stop) {
  Polished best{object, 0, 0};
  if (problem.free.empty()) return best;
  const auto started = Clock::now();
  const auto in_time = [&] { return since(started) < options.time_limit; };
  const auto score_of = [&](const Volume<Complex>& o) {
    return misfit(o, problem.pattern, problem.free, context.stream.threads());
  };
  best.free_llk = score_of(object);

  if (!(density_level(converted<std::complex<double>>(object)) > 0)) return best;
  SingleVoxels voxels(context, object, options.margin);
  Optimizer<float> optimizer(context, {&voxels.amplitude, &voxels.phase});
  Tape<float> tape(context);
  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  Index looks_in_vain = 0;
  for (Index step = 0; step < options.steps && stop == 0 && in_time() && looks_in_vain < options.patience;) {
    const auto a = voxels.drawn_amplitude(tape);
    const auto f = problem.illumination.seen(diffract(a, tape.parameter(voxels.phase), problem.input.shape()));
    const auto loss = autograd::weighted_sum<float>(
        {1, 1},
        {autograd::log(autograd::pearson_loss(f, problem.measured, problem.weights), 1e-7F),
         autograd::log(autograd::relative_l2(f, problem.measured, problem.weights, {.fit_scale = true}), 1e-8F)});
    tape.backward(loss);
    optimizer.step(plan_step(schedule, step, options.steps));
    tape.clear();
    if (++step % options.interval != 0 && step != options.steps) continue;
    auto now = voxels.object();
    const double score = score_of(now);
    if (std::isfinite(score) && score < best.free_llk) {
      best = {std::move(now), step, score};
      looks_in_vain = 0;
    } else {
      ++looks_in_vain;
    }
  }
  return best;
}

}  // namespace fringe

#include "apps/phasing/polish.h"

#include <cmath>

#include "apps/phasing/network_output.h"
#include "apps/phasing/outcome.h"
#include "layers/diffraction.h"

namespace fringe {
namespace {

Parameter<float> make_parameter(Context<float>& context, const char* name, const Tensor<float>& value) {
  Parameter<float> p{name, to_device(context, value), Tensor<float>(context, value.shape())};
  p.grad.fill(0);
  return p;
}

/// Gives the empty voxels that touch the crystal a faint density of their neighbours' phase, so that its surface can move
/// outwards as well as inwards.
void add_margin(float density, const Tensor<float>& amplitude, const Tensor<float>& phase) {
  constexpr float crystal = 0.2F;
  const Shape s = amplitude.shape();
  const auto before_a = std::vector<float>(amplitude.data(), amplitude.data() + s.size());
  const auto before_p = std::vector<float>(phase.data(), phase.data() + s.size());
  for (Index d = 1; d < s.d - 1; ++d)
    for (Index h = 1; h < s.h - 1; ++h)
      for (Index w = 1; w < s.w - 1; ++w) {
        const Index at = (d * s.h + h) * s.w + w;
        if (before_a[static_cast<std::size_t>(at)] > density) continue;
        std::complex<float> sum = 0;
        for (Index i = -1; i <= 1; ++i)
          for (Index j = -1; j <= 1; ++j)
            for (Index k = -1; k <= 1; ++k) {
              const auto near = static_cast<std::size_t>(at + (i * s.h + j) * s.w + k);
              if (before_a[near] > crystal) sum += std::polar(before_a[near], before_p[near]);
            }
        if (sum == 0.0F) continue;
        amplitude[at] = density;
        phase[at] = std::arg(sum);
      }
}

}  // namespace

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

  const double level = density_level(converted<std::complex<double>>(object));
  if (!(level > 0)) return best;
  const auto first = amplitude_and_phase(context.host(), object, level);
  add_margin(static_cast<float>(options.margin), first.amplitude, first.phase);
  auto amplitude = make_parameter(context, "amplitude", first.amplitude), phase = make_parameter(context, "phase", first.phase);
  Optimizer<float> optimizer(context, {&amplitude, &phase});
  Tape<float> tape(context);
  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  Index looks_in_vain = 0;
  for (Index step = 0; step < options.steps && stop == 0 && in_time() && looks_in_vain < options.patience;) {
    // leaky_relu takes its input's place: a copy, so that the parameter keeps its value.
    const auto a = autograd::leaky_relu(autograd::weighted_sum<float>({1}, {tape.parameter(amplitude)}), 0.0F);
    const auto f = diffract(a, tape.parameter(phase), problem.input.shape());
    const auto loss = autograd::weighted_sum<float>(
        {1, 1},
        {autograd::log(autograd::pearson_loss(f, problem.measured, problem.weights), 1e-7F),
         autograd::log(autograd::relative_l2(f, problem.measured, problem.weights, {.fit_scale = true}), 1e-8F)});
    tape.backward(loss);
    optimizer.step(plan_step(schedule, step, options.steps));
    tape.clear();
    if (++step % options.interval != 0 && step != options.steps) continue;
    auto now = object_of(amplitude.value, phase.value);
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

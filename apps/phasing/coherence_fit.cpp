#include "apps/phasing/coherence_fit.h"

#include "apps/phasing/coherence.h"
#include "apps/phasing/fit_voxels.h"
#include "apps/phasing/illumination.h"
#include "apps/phasing/single_voxels.h"
#include "engine/optimizer.h"
#include "layers/diffraction.h"

namespace fringe {
namespace {

struct Fitted {
  Pattern pattern;  ///< with the widths that were found
  Volume<Complex> object;
};

/// By turns widths, where `partial`, and voxels.
std::optional<Fitted> fit(Context<float>& context, const Pattern& pattern, const FitVoxels& measured, const Volume<Complex>& object,
                          bool partial, const CoherenceFitOptions& options, const std::function<void()>& step_done,
                          const std::function<bool()>& stop) {
  constexpr double margin = 0.02;  // as in the fits that follow
  const Tensor<float> amplitude = to_device(context, measured.amplitude), weights = to_device(context, measured.weights);
  SingleVoxels voxels(context, object, margin);
  Tape<float> tape(context);
  const double scale = photon_scale(tape, voxels, measured);
  require(scale > 0, "partial coherence: the pattern has no photons, or the object no diffraction");
  Optimizer<float> optimizer(context, {&voxels.amplitude, &voxels.phase});
  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  const auto modulus = [&] {
    const auto a = voxels.drawn_amplitude(tape, scale);
    return diffract(a, tape.parameter(voxels.phase), amplitude.shape());
  };
  Pattern believed = pattern;
  believed.coherence = {};
  Illumination illumination(context, believed);
  Coherence coherence(pattern.intensity.extent, CoherenceModel::gaussian, 0);
  for (Index step = 0; step < options.rounds * options.steps; ++step) {
    if (stop()) return std::nullopt;
    if (partial && step % options.steps == 0) {
      fit_widths(coherence, measured, modulus().value().to_host());
      tape.clear();
      believed.coherence = coherence.widths();
      illumination = Illumination(context, believed);
    }
    const auto loss = autograd::poisson_loss(illumination.seen(modulus()), amplitude, weights, {.fit_scale = false});
    tape.backward(loss);
    optimizer.step(plan_step(schedule, step, options.rounds * options.steps));
    tape.clear();
    step_done();
  }
  return Fitted{std::move(believed), voxels.object()};
}

}  // namespace

std::optional<CoherenceFit> fit_coherence(Context<float>& context, const Pattern& pattern, const Mask& free,
                                          const Volume<Complex>& object, const CoherenceFitOptions& options,
                                          const std::function<void(double share)>& progress, const std::function<bool()>& stop) {
  require(!free.empty(), "partial coherence: no voxels were held out to judge it by");
  const FitVoxels measured(context.host(), pattern, free);
  Index done = 0;
  const auto step_done = [&] { progress(static_cast<double>(++done) / static_cast<double>(2 * options.rounds * options.steps)); };
  const auto coherent = fit(context, pattern, measured, object, false, options, step_done, stop);
  if (!coherent) return std::nullopt;
  auto partial = fit(context, pattern, measured, object, true, options, step_done, stop);
  if (!partial) return std::nullopt;
  const auto intensity = [&](const Fitted& f) {
    return calculated_intensity(f.object, f.pattern, free, context.stream.threads());
  };
  const auto gain = free_llk_difference(intensity(*coherent), intensity(*partial), pattern, free);
  return CoherenceFit{partial->pattern.coherence, std::move(partial->object), gain};
}

}  // namespace fringe

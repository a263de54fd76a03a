#include "apps/phasing/uniform_density_fit.h"

#include <cmath>

#include "apps/phasing/coherence.h"
#include "apps/phasing/fit_voxels.h"
#include "apps/phasing/illumination.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/single_voxels.h"
#include "engine/optimizer.h"
#include "layers/diffraction.h"

namespace fringe {
std::vector<UniformDensityFit> fit_uniform_density(Context<float>& context, const Pattern& pattern, const Mask& free,
                                                   const Volume<Complex>& object, const UniformDensityOptions& options,
                                                   const std::function<void(double share)>& progress, const std::atomic<int>& stop) {
  std::vector<UniformDensityFit> fits;
  const auto started = Clock::now();
  const FitVoxels measured(context.host(), pattern, free);
  const Tensor<float> amplitude = to_device(context, measured.amplitude), weights = to_device(context, measured.weights);
  Illumination illumination(context, pattern);
  Coherence coherence(pattern.intensity.extent, pattern.coherence, !options.fits_coherence);
  SingleVoxels voxels(context, object, options.margin);
  Tape<float> tape(context);
  const double scale = photon_scale(tape, voxels, measured);
  require(scale > 0, "uniform density: the pattern has no photons, or the object no diffraction");
  double size = 0;  // V
  for (const auto& v : voxels.object().data) size += static_cast<double>(std::norm(v));

  const auto modulus = [&](const Variable<float>& a) { return diffract(a, tape.parameter(voxels.phase), amplitude.shape()); };

  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  for (const double strength : options.strengths) {
    Optimizer<float> optimizer(context, {&voxels.amplitude, &voxels.phase});
    const auto prior_weight = static_cast<float>(strength * size / static_cast<double>(measured.count));
    double loss_value = 0;
    for (Index step = 0; step < options.steps; ++step) {
      if (stop != 0 || since(started) > options.time_limit) return fits;
      if (options.fits_coherence && step % options.coherence_interval == 0) {
        fit_widths(coherence, measured, modulus(voxels.drawn_amplitude(tape, scale)).value().to_host());
        tape.clear();
        illumination = Illumination(context, pattern.intensity.extent, coherence.widths());
      }
      const auto a = voxels.drawn_amplitude(tape, scale);
      const auto f = illumination.seen(modulus(a));
      const auto loss = autograd::weighted_sum<float>(
          {1, prior_weight}, {autograd::poisson_loss(f, amplitude, weights, {.fit_scale = false}),
                              autograd::uniform_density(a)});
      if (step + 1 == options.steps) loss_value = static_cast<double>(loss.value().to_host()[0]);
      tape.backward(loss);
      optimizer.step(plan_step(schedule, step, options.steps));
      tape.clear();
      progress((static_cast<double>(fits.size()) + static_cast<double>(step + 1) / static_cast<double>(options.steps)) /
               static_cast<double>(options.strengths.size()));
    }
    if (!std::isfinite(loss_value)) return fits;
    fits.push_back({strength, voxels.object(), loss_value, coherence.widths()});
  }
  return fits;
}

}  // namespace fringe

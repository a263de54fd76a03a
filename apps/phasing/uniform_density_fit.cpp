#include "apps/phasing/uniform_density_fit.h"

#include <cmath>

#include "apps/phasing/outcome.h"
#include "apps/phasing/single_voxels.h"
#include "engine/optimizer.h"
#include "layers/diffraction.h"

namespace fringe {
namespace {

struct Photons {
  Tensor<float> amplitude, weights;  ///< sqrt(I), and 1 where it enters the fit
  double sum = 0, voxels = 0;        ///< of the fit
};

Photons photons_of(Context<float>& context, const Pattern& pattern, const Mask& free) {
  const auto& e = pattern.intensity.extent;
  Photons p{{context.host(), {1, e[0], e[1], e[2], 1}}, {context.host(), {1, e[0], e[1], e[2], 1}}};
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool used = pattern.measured(i) && (free.empty() || free.data[at] == 0);
    const float intensity = used ? pattern.intensity.data[at] : 0;
    p.amplitude[i] = std::sqrt(intensity);
    p.weights[i] = used ? 1.0F : 0.0F;
    p.sum += static_cast<double>(intensity);
    p.voxels += used;
  }
  for (auto* t : {&p.amplitude, &p.weights}) *t = to_device(context, *t);
  return p;
}

struct Drawn {
  Variable<float> amplitude, modulus;
};

/// The crystal, times `scale`, and its |F|.
Drawn draw(Tape<float>& tape, SingleVoxels& voxels, double scale, const Shape& frame) {
  // leaky_relu takes its input's place: the sum of one is the copy that keeps the parameter's value.
  const auto a = autograd::leaky_relu(
      autograd::weighted_sum<float>({static_cast<float>(scale)}, {tape.parameter(voxels.amplitude)}), 0.0F);
  return {a, diffract(a, tape.parameter(voxels.phase), frame)};
}

/// The factor of the crystal with which its diffraction has as many photons as were measured.
double photon_scale(Tape<float>& tape, SingleVoxels& voxels, const Photons& photons) {
  const Tensor<float> modulus = draw(tape, voxels, 1, photons.amplitude.shape()).modulus.value().to_host();
  tape.clear();
  const Tensor<float> weights = photons.weights.to_host();
  double sum = 0;
  for (Index i = 0; i < modulus.size(); ++i)
    sum += static_cast<double>(weights[i]) * static_cast<double>(modulus[i]) * static_cast<double>(modulus[i]);
  return sum > 0 ? std::sqrt(photons.sum / sum) : 0;
}

}  // namespace

std::vector<UniformDensityFit> fit_uniform_density(Context<float>& context, const Pattern& pattern, const Mask& free,
                                                   const Volume<Complex>& object, const UniformDensityOptions& options,
                                                   const std::function<void(double share)>& progress, const std::atomic<int>& stop) {
  std::vector<UniformDensityFit> fits;
  const auto started = Clock::now();
  const Photons photons = photons_of(context, pattern, free);
  SingleVoxels voxels(context, object, options.margin);
  Tape<float> tape(context);
  const double scale = photon_scale(tape, voxels, photons);
  require(scale > 0, "uniform density: the pattern has no photons, or the object no diffraction");
  double size = 0;  // V
  for (const auto& v : voxels.object().data) size += static_cast<double>(std::norm(v));

  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  for (const double strength : options.strengths) {
    Optimizer<float> optimizer(context, {&voxels.amplitude, &voxels.phase});
    const auto prior_weight = static_cast<float>(strength * size / photons.voxels);
    double loss_value = 0;
    for (Index step = 0; step < options.steps; ++step) {
      if (stop != 0 || since(started) > options.time_limit) return fits;
      const Drawn drawn = draw(tape, voxels, scale, photons.amplitude.shape());
      const auto loss = autograd::weighted_sum<float>(
          {1, prior_weight}, {autograd::poisson_loss(drawn.modulus, photons.amplitude, photons.weights, {.fit_scale = false}),
                              autograd::uniform_density(drawn.amplitude)});
      if (step + 1 == options.steps) loss_value = static_cast<double>(loss.value().to_host()[0]);
      tape.backward(loss);
      optimizer.step(plan_step(schedule, step, options.steps));
      tape.clear();
      progress((static_cast<double>(fits.size()) + static_cast<double>(step + 1) / static_cast<double>(options.steps)) /
               static_cast<double>(options.strengths.size()));
    }
    if (!std::isfinite(loss_value)) return fits;
    fits.push_back({strength, voxels.object(), loss_value});
  }
  return fits;
}

}  // namespace fringe

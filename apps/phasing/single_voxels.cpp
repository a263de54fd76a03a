#include "apps/phasing/single_voxels.h"

#include <cmath>

#include "apps/phasing/metrics.h"
#include "apps/phasing/network_output.h"
#include "autograd/ops.h"
#include "layers/diffraction.h"

namespace fringe {
namespace {

Parameter<float> make_parameter(Context<float>& context, const char* name, const Tensor<float>& value) {
  Parameter<float> p{name, to_device(context, value), Tensor<float>(context, value.shape())};
  p.grad.fill(0);
  return p;
}

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

SingleVoxels::SingleVoxels(Context<float>& context, const Volume<Complex>& object, double margin)
    : level(density_level(converted<std::complex<double>>(object))) {
  require(level > 0, "single voxels: the object is empty");
  const auto first = amplitude_and_phase(context.host(), object, level);
  add_margin(static_cast<float>(margin), first.amplitude, first.phase);
  amplitude = make_parameter(context, "amplitude", first.amplitude);
  phase = make_parameter(context, "phase", first.phase);
}

Variable<float> SingleVoxels::drawn_amplitude(Tape<float>& tape, double scale) {
  // leaky_relu takes its input's place: the sum of one is the copy that keeps the parameter's value.
  return autograd::leaky_relu(autograd::weighted_sum<float>({static_cast<float>(scale)}, {tape.parameter(amplitude)}), 0.0F);
}

Volume<Complex> SingleVoxels::object() const { return object_of(amplitude.value, phase.value); }

double photon_scale(Tape<float>& tape, SingleVoxels& voxels, const FitVoxels& measured) {
  const auto a = voxels.drawn_amplitude(tape);
  const Tensor<float> modulus = diffract(a, tape.parameter(voxels.phase), measured.amplitude.shape()).value().to_host();
  tape.clear();
  double sum = 0;
  for (Index i = 0; i < modulus.size(); ++i)
    sum += static_cast<double>(measured.weights[i]) * static_cast<double>(modulus[i]) * static_cast<double>(modulus[i]);
  return sum > 0 ? std::sqrt(measured.photons / sum) : 0;
}

}  // namespace fringe

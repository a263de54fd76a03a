#include "apps/phasing/hand_over.h"

#include <cmath>

#include "engine/optimizer.h"

namespace fringe {

HandedOver hand_over(Context<float>& context, Network<float>& network, const Tensor<float>& input,
                     const Volume<Complex>& object, const HandOverOptions& options,
                     const std::function<void(Index, double)>& progress, const std::atomic<int>& stop) {
  const auto& e = object.extent;
  const Shape half{1, e[0], e[1], e[2], 1};
  Tensor<float> amplitude(context.host(), half), field(context.host(), half.with_channels(2));
  for (Index i = 0; i < half.size(); ++i) {
    const auto v = object.data[static_cast<std::size_t>(i)];
    amplitude[i] = std::abs(v);
    field[2 * i] = v.real();
    field[2 * i + 1] = v.imag();
  }
  for (auto* tensor : {&amplitude, &field}) *tensor = to_device(context, *tensor);
  Optimizer<float> optimizer(context, network.parameters());
  Tape<float> tape(context);
  const ScheduleOptions schedule{.schedule = Schedule::cosine, .rate = options.rate};
  HandedOver done;
  while (done.epochs < options.epochs && stop == 0) {
    const auto out = network.forward(tape, tape.constant(input));
    const auto in_amplitude = autograd::relative_l2(out.amplitude, amplitude, {});
    const auto in_field = autograd::relative_l2(autograd::polar(out.amplitude, out.phase), field, {});
    const auto loss = autograd::weighted_sum<float>({0.5F, 0.5F}, {in_amplitude, in_field});
    const auto value = static_cast<double>(loss.value().to_host()[0]);
    require(std::isfinite(value), "refine: the fit to the start diverged at epoch {}", done.epochs);
    done.misfit = std::sqrt(static_cast<double>(in_field.value().to_host()[0]));
    tape.backward(loss);
    optimizer.step(plan_step(schedule, done.epochs, options.epochs));
    tape.clear();
    progress(++done.epochs, done.misfit);
    if (value < options.enough) break;
  }
  return done;
}

}  // namespace fringe

#include "apps/phasing/predict.h"

#include <algorithm>
#include <cmath>

#include "apps/phasing/alignment.h"
#include "apps/phasing/network_output.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/simulate.h"

namespace fringe {

Predictor::Predictor(const std::string& model, int threads, const Backend& backend)
    : path_(model),
      device_(backend.name()),
      checkpoint_(Checkpoint::load(model)),
      context_(backend, threads),
      input_(model_input(checkpoint_)),
      network_(context_, NetworkOptions::load(checkpoint_), 0),
      replay_(context_) {
  network_.load(checkpoint_);
}

Predictor::Pass& Predictor::pass_of(const Shape& input) {
  const Extent extent{input.d, input.h, input.w};
  const auto found = passes_.find(extent);
  if (found != passes_.end()) return found->second;
  const Shape object{1, input.d / 2, input.h / 2, input.w / 2, 1};
  return passes_
      .emplace(extent, Pass{static_cast<int>(passes_.size()), {context_, input}, {context_, object}, {context_, object}})
      .first->second;
}

Reconstruction Predictor::predict(const Pattern& pattern) {
  const auto& e = pattern.intensity.extent;
  const Tensor<float> amplitudes(context_.host(), {1, e[0], e[1], e[2], 1});
  float largest = 0;
  for (Index i = 0; i < amplitudes.size(); ++i) {
    amplitudes[i] = pattern.measured(i) ? std::sqrt(pattern.intensity.data[static_cast<std::size_t>(i)]) : 0;
    largest = std::max(largest, amplitudes[i]);
  }
  require(largest > 0, "predict: every measured voxel is zero");
  const auto start = Clock::now();
  const auto input = network_input(context_.host(), input_, amplitudes, {static_cast<double>(largest)});
  Pass& pass = pass_of(input.shape());
  pass.input.from_host(input.span());
  replay_.run(pass.kind, [&] {
    Tape<float> tape(context_, false);
    const auto out = network_.forward(tape, tape.constant(pass.input), Network<float>::Statistics::running);
    pass.amplitude.copy_from(out.amplitude.value());
    pass.phase.copy_from(out.phase.value());
  });
  const Tensor<float> amplitude = pass.amplitude.to_host(), phase = pass.phase.to_host();
  Reconstruction r;
  r.metrics["seconds"] = since(start);
  r.pattern = pattern;
  r.object = object_of(amplitude, phase);
  centre_object(r.object);
  r.calculated = converted<float>(diffract(r.object, e, context_.stream.threads()));
  const auto scale = static_cast<float>(amplitude_scale(r.calculated, pattern));
  require(scale > 0 && std::isfinite(scale), "predict: the network draws nothing for this pattern");
  for (auto& v : r.object.data) v *= scale;
  for (auto& v : r.calculated.data) v *= scale * scale;
  r.support = support_of(converted<std::complex<double>>(r.object), 0.5);
  const auto fit = fit_quality(r.calculated, pattern);
  r.metrics["chi2"] = fit.chi2;
  r.metrics["pearson"] = fit.pearson;
  r.metrics["llk"] = fit.llk;
  if (!pattern.truth.empty())
    r.metrics["true_error"] = align(r.object, pattern.truth, {.threads = context_.stream.threads()}).error;
  r.configuration = {{"model", path_}, {"network_input", name(input_)}};
  return r;
}

}  // namespace fringe

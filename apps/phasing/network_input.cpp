#include "apps/phasing/network_input.h"

#include <cmath>

namespace fringe {
namespace {

constexpr FitInput kinds[] = {FitInput::logarithm, FitInput::amplitude, FitInput::autocorrelation};

Tensor<float> autocorrelation(Context<float>& context, const Tensor<float>& amplitudes) {
  const Shape s = amplitudes.shape();
  const Tensor<float> p(context, s.with_channels(2));
  for (Index i = 0; i < amplitudes.size(); ++i) {
    p[2 * i] = amplitudes[i] * amplitudes[i];
    p[2 * i + 1] = 0;
  }
  context.launch(&KernelTable<float>::fft3d_backward, "fft3d_backward", p.read(), p.view());
  for (Index n = 0; n < s.n; ++n)
    require(p[2 * (n * s.voxels() + pattern_input::centre(s))] > 0, "network: pattern {} of the batch is zero everywhere", n);
  Tensor<float> input(context, p.shape());
  context.launch(&KernelTable<float>::autocorrelation_input, "autocorrelation_input", p.read(), input.view());
  return input;
}

}  // namespace

Index input_channels(FitInput kind) { return kind == FitInput::autocorrelation ? 2 : 1; }

std::string name(FitInput kind) {
  switch (kind) {
    case FitInput::logarithm:
      return "logarithm";
    case FitInput::amplitude:
      return "amplitude";
    case FitInput::autocorrelation:
      return "autocorrelation";
  }
  fail("network input: unknown value {}", static_cast<int>(kind));
}

FitInput parse_fit_input(const std::string& text) {
  for (const FitInput kind : kinds)
    if (text == name(kind)) return kind;
  fail("network input '{}': expected logarithm, amplitude or autocorrelation", text);
}

FitInput model_input(const Checkpoint& model) {
  return model.texts.contains("model.input") ? parse_fit_input(model.text("model.input")) : FitInput::logarithm;
}

Tensor<float> network_input(Context<float>& context, FitInput kind, const Tensor<float>& amplitudes,
                            const std::vector<double>& largest) {
  const Shape s = amplitudes.shape();
  require(s.c == 1 && static_cast<Index>(largest.size()) == s.n, "network input: amplitudes {} with {} maxima", s.str(),
          largest.size());
  if (kind == FitInput::autocorrelation) return autocorrelation(context, amplitudes);
  const Tensor<float> input(context, s);
  for (Index i = 0; i < input.size(); ++i) {
    const double relative = static_cast<double>(amplitudes[i]) / largest[static_cast<std::size_t>(i / s.voxels())];
    input[i] =
        static_cast<float>(kind == FitInput::logarithm ? std::log1p(1e3 * relative) / std::log(1001.0) : relative);
  }
  return input;
}

}  // namespace fringe

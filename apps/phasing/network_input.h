// What the network sees of a diffraction pattern.
#pragma once
#include <string>

#include "engine/checkpoint.h"
#include "engine/context.h"
#include "engine/tensor.h"

namespace fringe {

enum class FitInput {
  logarithm,  ///< log(1 + 1000 A / max A) / log 1001
  amplitude,  ///< A / max A, as in the paper
  /// The autocorrelation of the crystal, P(u) = sum_r rho(r + u) conj(rho(r)), the inverse transform of A^2: two
  /// channels, real part and 4 times imaginary part of P / sqrt(|P| P(0)). It lives where the crystal lives: P(2 r)
  /// compares the crystal at r with that at -r, so that a network of small filters can see what it has to draw
  /// (docs/training.md).
  autocorrelation,
};

Index input_channels(FitInput kind);
std::string name(FitInput kind);
FitInput parse_fit_input(const std::string& text);  ///< throws Error and lists the names

/// What the model in a checkpoint was trained to see; models that do not say see the logarithm.
FitInput model_input(const Checkpoint& model);

/// amplitudes (N,D,H,W,1), zero where nothing is known; largest: of each sample. Result (N,D,H,W,input_channels).
Tensor<float> network_input(Context<float>& context, FitInput kind, const Tensor<float>& amplitudes,
                            const std::vector<double>& largest);

}  // namespace fringe

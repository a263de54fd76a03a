// A complex density as the two arrays that a network draws, and back.
#pragma once
#include "apps/phasing/fourier.h"
#include "engine/tensor.h"

namespace fringe {

/// amplitude * exp(i phase), both (1,D,H,W,1) and wherever they lie; negative amplitudes count as zero.
Volume<Complex> object_of(const Tensor<float>& amplitude, const Tensor<float>& phase);

struct AmplitudeAndPhase {
  Tensor<float> amplitude, phase;  ///< (1,D,H,W,1)
};
/// In the memory of `host`; amplitudes are divided by `level`.
AmplitudeAndPhase amplitude_and_phase(Context<float>& host, const Volume<Complex>& object, double level = 1);

}  // namespace fringe

#include "apps/phasing/fit_voxels.h"

#include <algorithm>
#include <cmath>

namespace fringe {

FitVoxels::FitVoxels(Context<float>& host, const Pattern& pattern, const Mask& free)
    : amplitude(host, {1, pattern.intensity.extent[0], pattern.intensity.extent[1], pattern.intensity.extent[2], 1}),
      weights(host, amplitude.shape()) {
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const bool used = pattern.measured(i) && (free.empty() || free.data[at] == 0);
    const double intensity = used ? static_cast<double>(pattern.intensity.data[at]) : 0;
    weights[i] = used ? 1.0F : 0.0F;
    amplitude[i] = static_cast<float>(std::sqrt(intensity));
    photons += intensity;
    largest = std::max(largest, intensity);
    count += used;
  }
}

void fit_widths(Coherence& coherence, const FitVoxels& measured, const Tensor<float>& modulus) {
  const auto count = static_cast<std::size_t>(measured.amplitude.size());
  std::vector<float> intensity(count), amplitude(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<Index>(i);
    intensity[i] = modulus[at] * modulus[at];
    amplitude[i] = measured.weights[at] > 0 ? measured.amplitude[at] : -1.0F;
  }
  coherence.update(intensity.data(), amplitude.data());
}

}  // namespace fringe

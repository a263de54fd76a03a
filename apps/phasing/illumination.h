// The illumination in the model of a fit: what it makes of the modulus of a coherent one.
#pragma once
#include <optional>

#include "apps/phasing/pattern.h"
#include "autograd/ops.h"

namespace fringe {

class Illumination {
 public:
  /// That of the pattern, on the context's device.
  Illumination(Context<float>& context, const Pattern& pattern) : Illumination(context, pattern.intensity.extent, pattern.coherence) {}
  /// Of these widths (Pattern::coherence).
  Illumination(Context<float>& context, const Extent& extent, const std::array<double, 3>& coherence);

  /// The modulus that the detector sees: m itself where the illumination is coherent.
  Variable<float> seen(const Variable<float>& m) const;

 private:
  std::optional<CoherenceKernel<Tensor<float>>> kernel_;
};

}  // namespace fringe

#include "apps/phasing/illumination.h"

namespace fringe {

Illumination::Illumination(Context<float>& context, const Extent& extent, const std::array<double, 3>& coherence) {
  if (coherence == std::array<double, 3>{}) return;
  const auto [D, H, W] = extent;
  const auto axis = [&](int k, const Shape& shape) {
    const Tensor<float> kernel(context.host(), shape);
    partial_coherence::fill_kernel(coherence[static_cast<std::size_t>(k)], shape.size(), kernel.view().data);
    return to_device(context, kernel);
  };
  kernel_ = {axis(0, {1, D, 1, 1, 1}), axis(1, {1, 1, H, 1, 1}), axis(2, {1, 1, 1, W, 1})};
}

Variable<float> Illumination::seen(const Variable<float>& m) const {
  return kernel_ ? autograd::partial_coherence(m, *kernel_, 1e-6F) : m;  // the same epsilon as diffract()'s
}

}  // namespace fringe

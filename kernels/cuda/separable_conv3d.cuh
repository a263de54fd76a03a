// The separable block on operands, for separable_conv3d and fused_separable_conv3d.
#pragma once
#include "kernels/cuda/conv3d_operand.cuh"
#include "kernels/separable_conv3d.h"

namespace fringe::cuda {

void separable_forward(Stream& stream, float slope, const Operand& x, const SeparableWeights<ConstView<float>>& k,
                       View<float> u, View<float> v, View<float> y);
/// `dx`, at the full extents of the volume, may be empty.
void separable_backward(Stream& stream, const Operand& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const Operand& dy, View<float> dv, View<float> du,
                        View<float> dx, const SeparableWeights<View<float>>& g);

}  // namespace fringe::cuda

// The separable block on operands, for separable_conv3d and fused_separable_conv3d.
#pragma once
#include <functional>

#include "kernels/cuda/conv3d_operand.cuh"
#include "kernels/separable_conv3d.h"

namespace fringe::cuda {

/// `u` and `v` may be empty.
void separable_forward(Stream& stream, float slope, const Operand& x, const SeparableWeights<ConstView<float>>& k,
                       View<float> u, View<float> v, View<float> y);
/// `dx`, at the full extents of the volume, may be empty.
void separable_backward(Stream& stream, const Operand& x, ConstView<float> u, ConstView<float> v,
                        const SeparableWeights<ConstView<float>>& k, const Operand& dy, View<float> dv, View<float> du,
                        View<float> dx, const SeparableWeights<View<float>>& g);

// ---- in one pass (separable_one_pass.cu): what does it, or nothing where shape or numeric format do not allow it ------

std::function<void()> separable_forward_in_one_pass(Stream& stream, float slope, const Operand& x,
                                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v,
                                                    View<float> y);
std::function<void()> separable_data_gradient_in_one_pass(Stream& stream, const Operand& dy,
                                                          const SeparableWeights<ConstView<float>>& k, View<float> dv,
                                                          View<float> du, View<float> dx);
/// Whether one pass should be faster than three, by counting.
bool separable_pays_in_one_pass(const Stream& stream, const Shape& volume);

}  // namespace fringe::cuda

// Convolutions by cuDNN where it can do them.
#pragma once
#include <initializer_list>
#include <optional>

#include "kernels/cuda/conv3d_operand.cuh"
#include "kernels/cuda/cudnn.h"

namespace fringe::cuda {

/// What to ask cuDNN for, or nothing when it is not there or cannot: it reads arrays as they are, in float32 or tf32.
std::optional<cudnn::Convolution> convolution_for_cudnn(const Stream& stream, cudnn::Pass pass, const Shape& volume,
                                                        const Shape& kernel, std::initializer_list<Operand> operands);
/// The forward pass or the data gradient, with bias (may be null) and LeakyReLU.
void convolve_by_cudnn(Stream& stream, const cudnn::Convolution& c, const float* x, const float* w, const float* bias,
                       float slope, View<float> y);
/// db may be empty.
void weight_gradient_by_cudnn(Stream& stream, const cudnn::Convolution& c, const Operand& x, const Operand& dy,
                              View<float> dw, View<float> db);

}  // namespace fringe::cuda

// Sums of the parts that blocks have left in scratch memory, and sums over voxels, in fixed order.
#pragma once
#include "kernels/cuda/conv3d_operand.cuh"

namespace fringe::cuda {

/// sums[i] = parts[0][i] + parts[1][i] + ... for every element of `sums` and, after these, of `more`, which may be empty; parts lie
/// `stride` floats apart.
void add_parts(Stream& stream, const float* parts, int count, Index stride, View<float> sums, View<float> more);

/// sums[o] = sum of dy over the voxels of the volume.
void row_sums(Stream& stream, const Shape& volume, const Operand& dy, float* sums);

/// Mean and biased variance over the rows of y: (1,1,1,2,C).
void statistics(Stream& stream, ConstView<float> y, float* mean_and_variance);

/// (6) of fused_conv3d: daffine = (sum dx (x - centre), -scale sum dx, sum dx) over rows; affine = (scale, centre, shift).
void affine_gradient(Stream& stream, ConstView<float> dx, const float* x, const float* affine, float* daffine);

}  // namespace fringe::cuda

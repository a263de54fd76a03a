// uniform_density: how far an amplitude is from "nothing or one density", one number per sample.
//
// The density of a crystal is nearly uniform. A double well penalises amplitudes a between 0 and the density level:
//   (1)  level = sum a^3 / sum a^2
//   (2)  P = sum a^2 (a - level)^2 / (level^2 sum a^2)           0 for a uniform object, scale free
//   (3)  da = dP * 2 a [ (a - level)^2 + a (a - level) - Q ] / (level^2 sum a^2),  Q = sum a^2 (a - level)^2 / sum a^2
// The level is held constant in (3): with its derivative the penalty could be lowered by brightening a few voxels.
//
// Shapes   a, da any shape; loss, dloss (N,1,1,1,1); stats (N,1,1,1,3): level, sum a^2, Q.
// Saved    a, stats.
// Numerics sums end in double, in an order fixed by the shape. An object of zeros has P = 0 and no gradient.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using UniformDensityForward = void(Stream&, ConstView<T> a, View<T> stats, View<T> loss);
template <class T>
using UniformDensityBackward = void(Stream&, ConstView<T> a, ConstView<T> stats, ConstView<T> dloss, View<T> da);

namespace reference {
template <class T>
UniformDensityForward<T> uniform_density_forward;
template <class T>
UniformDensityBackward<T> uniform_density_backward;
}  // namespace reference
namespace cpu {
UniformDensityForward<float> uniform_density_forward;
UniformDensityBackward<float> uniform_density_backward;
}  // namespace cpu
namespace cuda {
UniformDensityForward<float> uniform_density_forward;
UniformDensityBackward<float> uniform_density_backward;
}  // namespace cuda

}  // namespace fringe

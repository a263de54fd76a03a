// modulus_projection: a field gets the measured amplitudes, its phases kept; and how far it was from them.
//
//   (1)  y = factor a F / |F|   where a >= 0 (measured; 0 where F = 0),   y = factor F   elsewhere
//   (2)  misfit_n = sum over measured voxels of (|F| - a)^2
//
// Shapes   F, y (N,D,H,W,2); a (N,D,H,W,1), or (1,D,H,W,1): the same for all samples; misfit (N,1,1,1,1).
// Aliases  y may be F.
// Numerics sums in double, in an order fixed by the shape. |F|^2 below 1e-30 counts as 1e-30.
// Cost     about 15 flops a voxel; F and a read, y written once.
// Source   Gerchberg and Saxton, Optik 35, 237 (1972); Fienup, Appl. Opt. 21, 2758 (1982), doi 10.1364/AO.21.002758.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using ModulusProjection = void(Stream&, T factor, ConstView<T> a, ConstView<T> f, View<T> y, View<T> misfit);

namespace modulus_projection {
constexpr float least_intensity = 1e-30F;
Cost cost(const Shape& f, std::size_t element_bytes);
/// Throws unless the shapes fit (1) and (2).
void require_shapes(const Shape& a, const Shape& f, const Shape& y, const Shape& misfit);
}  // namespace modulus_projection

namespace reference {
template <class T>
ModulusProjection<T> modulus_projection;
}
namespace cpu {
ModulusProjection<float> modulus_projection;
}
namespace cuda {
ModulusProjection<float> modulus_projection;
}

}  // namespace fringe

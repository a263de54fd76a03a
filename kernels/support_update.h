// support_update: what projection algorithms do in real space, where the crystal is known to lie in a support; and the sums
// that some of them need.
//
// Arrays are in the transform's own order (wrapped_fft3d). S is the support, in a box of half the frame's extent around r = 0:
// voxel i of an axis of E voxels is voxel (i + E/4) mod E of the box, if that is less than E/2, and outside S otherwise.
//
//   (1)  y = x_in x + p_in p   in S',   x_out x + p_out p   elsewhere;   an operand whose coefficient is 0 is not read
//   (2)  S' = S, or with limits on the phase those voxels of S where low <= arg(p conj(m)) <= high, m = M/|M| (1 if M = 0)
//   (3)  sums_n = sum over all voxels of |x|^2;  and M = sum over S of x |x|, real and imaginary part
//   (4)  y = -p where |p| < threshold sqrt(sums_n[0] / DHW),   p elsewhere                          charge flipping
//
// Shapes   support (N,D/2,H/2,W/2,1), not 0 in S; x, p, y (N,D,H,W,2); sums (N,1,1,1,3), read where phases are limited.
// Aliases  y may be x or p.
// Numerics sums in double, in an order fixed by the shape.
// Cost     `cost`: p read, y written; x read where it counts everywhere outside S.
// Source   Fienup, Appl. Opt. 21, 2758 (1982), doi 10.1364/AO.21.002758, and those of apps/phasing/phase_iterator.h.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct SupportUpdateParams {
  double x_in = 0, p_in = 1, x_out = 0, p_out = 0;
  bool limits_phase = false;
  double low = 0, high = 0;  ///< [rad], high - low at most 2 pi
};

template <class T>
using SupportUpdate = void(Stream&, const SupportUpdateParams&, ConstView<T> support, ConstView<T> sums, ConstView<T> x,
                           ConstView<T> p, View<T> y);
template <class T>
using DensitySums = void(Stream&, ConstView<T> support, ConstView<T> x, View<T> sums);
template <class T>
using ChargeFlip = void(Stream&, T threshold, ConstView<T> sums, ConstView<T> p, View<T> y);

namespace support_update {
/// Of a frame's extent.
Shape box_shape(const Shape& frame);
/// The voxel of the box; `extent` / 2 or more: it is outside.
template <class I>
constexpr I box_index(I i, I extent) {
  const I j = i + extent / 4;
  return j >= extent ? j - extent : j;
}
/// (2) as half-planes: exp(i low), exp(i high), and whether one of the two is enough.
template <class T>
struct PhaseSector {
  T low_re, low_im, high_re, high_im;
  bool wide;

  explicit PhaseSector(const SupportUpdateParams& params);
  /// For u = p conj(M).
  constexpr bool holds(T re, T im) const {
    const bool above = low_re * im - low_im * re >= 0, below = high_im * re - high_re * im >= 0;
    return wide ? above || below : above && below;
  }
};
/// Of (1), bytes for a support that fills an eighth of the frame.
Cost cost(const SupportUpdateParams& params, const Shape& frame, std::size_t element_bytes);
/// Throws unless the shapes fit (1).
void require_shapes(const SupportUpdateParams& params, const Shape& support, const Shape& sums, const Shape& x, const Shape& p,
                    const Shape& y);
}  // namespace support_update

namespace reference {
template <class T>
SupportUpdate<T> support_update;
template <class T>
DensitySums<T> density_sums;
template <class T>
ChargeFlip<T> charge_flip;
}  // namespace reference
namespace cpu {
SupportUpdate<float> support_update;
DensitySums<float> density_sums;
ChargeFlip<float> charge_flip;
}  // namespace cpu
namespace cuda {
SupportUpdate<float> support_update;
DensitySums<float> density_sums;
ChargeFlip<float> charge_flip;
}  // namespace cuda

}  // namespace fringe

// shrink_support: the support that a density says itself to have, for iterative phasing that never asks the host.
//
// x is in the transform's own order; what is around r = 0 is its box (support_update.h).
//
//   (1)  b(r) = sum_t g(t) |x(r + t)| / sum_t g(t),  g(t) = exp(-|t|^2 / (2 sigma^2)), each component of t at most
//        R = ceil(3 sigma) in magnitude; around the ends of x; |x| for sigma = 0                             blurred_amplitude
//   (2)  level = threshold_n * reference, brought between b_[most] and b_[least], where b_[k] is the k-th largest b
//        reference = max b;  or the root mean square of b over the support before;  or sum b^3 / sum b^2
//   (3)  T = { r : b(r) > 0 and b(r) >= level }
//   (4)  shift = box / 2 - centre of mass of T, rounded; 0 where T is empty, and where that would push voxels of it out
//   (5)  support = T moved by shift;   stats_n = (shift along D, H, W; number of voxels in T)
//   (6)  y[(r + shift) mod extent] = x[r], so that a density follows its support                                           roll
//
// Shapes   x, y (N,D,H,W,2); b, before, support (N,D/2,H/2,W/2,1); thresholds (N,1,1,1,1); stats (N,1,1,1,4).
// Aliases  support may be before. y must not be x.
// Numerics (2) in double and in an order fixed by the shape; rounding away from zero.
// Source   Marchesini et al., Phys. Rev. B 68, 140101 (2003), doi 10.1103/PhysRevB.68.140101.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

enum class ThresholdOf {
  maximum,  ///< of the blurred amplitude
  rms,      ///< of the blurred amplitude over the support so far
  level,    ///< sum b^3 / sum b^2: bright spots do not move it
};

struct ShrinkSupportParams {
  ThresholdOf of = ThresholdOf::level;
  Index least = 1, most = 1;  ///< voxels the support has, in a box of no more; 1 <= least <= most
};

template <class T>
using BlurredAmplitude = void(Stream&, T sigma, ConstView<T> x, View<T> b);
template <class T>
using ShrinkSupport = void(Stream&, const ShrinkSupportParams&, ConstView<T> thresholds, ConstView<T> b, ConstView<T> before,
                           View<T> support, View<T> stats);
template <class T>
using Roll = void(Stream&, ConstView<T> stats, ConstView<T> x, View<T> y);

namespace shrink_support {
/// R of (1).
Index reach(double sigma);
constexpr Index most_reach = 63;
/// Throw unless the shapes fit.
void require_blur(double sigma, const Shape& x, const Shape& b);
void require_shapes(const ShrinkSupportParams& params, const Shape& thresholds, const Shape& b, const Shape& before,
                    const Shape& support, const Shape& stats);
void require_roll(const Shape& stats, const Shape& x, const Shape& y);
}  // namespace shrink_support

namespace reference {
template <class T>
BlurredAmplitude<T> blurred_amplitude;
template <class T>
ShrinkSupport<T> shrink_support;
template <class T>
Roll<T> roll;
}  // namespace reference
namespace cpu {
BlurredAmplitude<float> blurred_amplitude;
ShrinkSupport<float> shrink_support;
Roll<float> roll;
}  // namespace cpu
namespace cuda {
BlurredAmplitude<float> blurred_amplitude;
ShrinkSupport<float> shrink_support;
Roll<float> roll;
}  // namespace cuda

}  // namespace fringe

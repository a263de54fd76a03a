// fused_max_pool: max_pool of an array that has a pending normalisation, without applying it: the result has the same one.
//
//   With z = scale * (x - centre) + shift (batch_norm_fold.h; none means z = x):
//   (1)  which = max_pool's (1) of z,   y = x at that voxel,   so that scale * (y - centre) + shift = max_pool(z)
//        the largest z is the largest x where scale > 0, the smallest where scale < 0; of equal ones (all, where scale = 0)
//        the first
//   Its gradient is dz' of fused_conv3d's (4): the half-sized dz goes on as it is, with `which`.
//
// Shapes   x (N,D,H,W,C) with even D, H, W; affine (1,1,1,3,C) or empty; y, which (N,D/2,H/2,W/2,C).
// Cost     reads x, writes y and a byte for each y.
#pragma once
#include "kernels/batch_norm_fold.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using FusedMaxPoolForward = void(Stream&, ConstView<T> x, ConstView<T> affine, View<T> y, View<std::uint8_t> which);

namespace reference {
template <class T>
FusedMaxPoolForward<T> fused_max_pool_forward;
}
namespace cpu {
FusedMaxPoolForward<float> fused_max_pool_forward;
}
namespace cuda {
FusedMaxPoolForward<float> fused_max_pool_forward;
}

}  // namespace fringe

// crystal_targets: what a network is taught to draw of a crystal, or of its twin (layers/supervised_loss.h).
//
// A crystal rho, r counted from the voxel at extent / 2:
//   (1)  q(r) = rho(r); of the twin conj(rho(-r)), 0 where -r is not in the array (the first layer of an even extent)
//   (2)  amplitude = |q|
//   (3)  phase = arg q - the least arg q where q is not 0;  0 where q is
//   (4)  field = q exp(-i arg(sum of q)): its mean is real
//
// Shapes   object, field (N,d,h,w,2); amplitude, phase (N,d,h,w,1).
// Aliases  none.
// Numerics the sum in double, in an order fixed by the shape; a crystal of zeros has targets of zeros.
// Cost     reads the object twice, writes four numbers a voxel.
// Source   (2), (3): Wu et al., npj Comput. Mater. 7, 175 (2021), Eq. 6; (4): docs/training.md.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using CrystalTargets = void(Stream&, bool twin, ConstView<T> object, View<T> amplitude, View<T> phase, View<T> field);

namespace crystal_targets {
/// Throws unless the shapes fit.
void require_shapes(const Shape& object, const Shape& amplitude, const Shape& phase, const Shape& field);
/// Where (1) reads along an axis; negative: nowhere.
constexpr Index source(bool twin, Index i, Index extent) {
  if (!twin) return i;
  const Index j = extent / 2 * 2 - i;
  return j < extent ? j : -1;
}
}  // namespace crystal_targets

namespace reference {
template <class T>
CrystalTargets<T> crystal_targets;
}
namespace cpu {
CrystalTargets<float> crystal_targets;
}
namespace cuda {
CrystalTargets<float> crystal_targets;
}

}  // namespace fringe

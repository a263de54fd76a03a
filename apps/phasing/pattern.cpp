#include "apps/phasing/pattern.h"

#include <cmath>
#include <numbers>

namespace fringe {

std::optional<std::array<double, 3>> Geometry::voxel_size(const Extent& extent) const {
  if (!basis_vectors) return {};
  // The real-space basis is 2 pi (B diag N)^-T: for sheared axes longer than 2 pi / (N |q|).
  const auto& q = *basis_vectors;
  const auto cross = [&](int a, int b) {
    return std::array<double, 3>{q[a][1] * q[b][2] - q[a][2] * q[b][1], q[a][2] * q[b][0] - q[a][0] * q[b][2],
                                 q[a][0] * q[b][1] - q[a][1] * q[b][0]};
  };
  std::array<double, 3> size{};
  for (int axis = 0; axis < 3; ++axis) {
    const auto normal = cross((axis + 1) % 3, (axis + 2) % 3);
    const double volume = q[axis][0] * normal[0] + q[axis][1] * normal[1] + q[axis][2] * normal[2];
    if (volume == 0) return {};
    size[axis] = 2 * std::numbers::pi * std::hypot(normal[0], normal[1], normal[2]) /
                 (std::abs(volume) * static_cast<double>(extent[axis]));
  }
  return size;
}

}  // namespace fringe

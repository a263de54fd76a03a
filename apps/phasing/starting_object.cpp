#include "apps/phasing/starting_object.h"

#include <cmath>

#include "apps/phasing/refine.h"
#include "kernels/error.h"

namespace fringe {
namespace {

double energy(const Volume<Complex>& object) {
  double sum = 0;
  for (const auto& v : object.data) sum += std::norm(std::complex<double>(v));
  return sum;
}

}  // namespace

Volume<Complex> starting_object(const Volume<Complex>& object, const Extent& pattern) {
  const Extent& e = object.extent;
  for (std::size_t axis = 0; axis < 3; ++axis)
    require(
        e[axis] <= pattern[axis],
        "start: the object has {} x {} x {} voxels, the pattern only {} x {} x {}; retrieve it from this pattern, or crop it",
        e[0], e[1], e[2], pattern[0], pattern[1], pattern[2]);
  const double whole = energy(object);
  require(whole > 0 && std::isfinite(whole), "start: the object is zero everywhere or not finite");
  auto centred = pad_or_crop(object, pattern);
  centre_object(centred);
  auto half = pad_or_crop(centred, {pattern[0] / 2, pattern[1] / 2, pattern[2] / 2});
  const double kept = energy(half) / whole;
  require(kept > 0.999,
          "start: the object does not fit into half the pattern's extent, {} x {} x {} voxels: {:.2g} % of it would be cut off",
          half.extent[0], half.extent[1], half.extent[2], 100 * (1 - kept));
  return half;
}

}  // namespace fringe

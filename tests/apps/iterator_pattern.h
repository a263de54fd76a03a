// What the steps of iterative phasing are tested on: unequal extents, a mask, held-out voxels, a support with holes.
#pragma once
#include "apps/phasing/metrics.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/support.h"

namespace fringe::test {

struct IteratorCase {
  Pattern pattern;
  Mask free, support;

  IteratorCase() {
    CrystalOptions crystal;
    crystal.size = 16;
    pattern = expose(make_crystal(crystal, 5), {.photons = 1e5, .noise = true}, 5);
    pattern.intensity = pad_or_crop(pattern.intensity, {16, 12, 20});
    pattern.mask = Mask(pattern.intensity.extent, 1);
    for (Index i = 0; i < 300; ++i) pattern.mask.data[static_cast<std::size_t>(7 * i)] = 0;
    free = make_free_mask(3, pattern.intensity.extent, pattern.mask);
    support = box_support(pattern.intensity.extent);
    for (Index i = 0; i < support.size(); i += 3) support.data[static_cast<std::size_t>(i)] = 0;
  }
};

}  // namespace fringe::test

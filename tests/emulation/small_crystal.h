// The crystal that is fitted on the emulated device, as small as crystals can be: the emulation is slow.
#pragma once
#include "apps/phasing/simulate.h"

namespace emulation {

inline fringe::CrystalOptions small_crystal() {
  fringe::CrystalOptions o;
  o.size = 12;
  o.semi_axis = {0.22, 0.3};
  return o;
}

inline const fringe::Pattern& small_pattern() {
  static const fringe::Pattern p = fringe::expose(fringe::make_crystal(small_crystal(), 2), {.photons = 1e7}, 2);
  return p;
}

}  // namespace emulation

// The emulated device, as the program gets it.
#pragma once
#include <doctest/doctest.h>

#include "engine/backend.h"

namespace emulation {

inline fringe::Backend emulated() {
  std::string why_cpu;
  const fringe::Backend backend = fringe::choose_backend("cuda:0", why_cpu);
  REQUIRE(why_cpu.empty());
  return backend;
}

}  // namespace emulation

#include "bench/suite.h"

namespace fringe::bench {

void bench_crystal_targets(Bench& bench) {
  const Shape shape{16, 32, 32, 32, 2};
  // Away from where the argument jumps, which rounding could move a voxel across.
  bench.time({"crystal_targets", shape, moved(shape.with_channels(1), 8, 60),
              [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto object = o.positive(n), amplitude = o.result(n.with_channels(1)),
                           phase = o.result(n.with_channels(1)), field = o.result(n);
                return [=, &k, &s] { k.crystal_targets(s, true, object, amplitude, phase, field); };
              }});
}

}  // namespace fringe::bench

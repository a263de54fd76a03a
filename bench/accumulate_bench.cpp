#include "bench/suite.h"

namespace fringe::bench {

void bench_accumulate(Bench& bench) {
  const Shape shape = channel_vector(1 << 20);
  bench.time({"accumulate", shape, moved(shape, 3, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.updated(n);
                return [=, &k, &s] {
                  const AccumulateSlot<float> slot{x, y};
                  k.accumulate(s, {.overwrite = false, .divisor = 4}, {&slot, 1});
                };
              }});
}

}  // namespace fringe::bench

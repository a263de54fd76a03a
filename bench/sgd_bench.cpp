#include "bench/suite.h"

namespace fringe::bench {

void bench_sgd(Bench& bench) {
  const Shape shape = channel_vector(1 << 20);
  bench.time({"sgd_step", shape, moved(shape, 5, 4), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto rate = o.positive(channel_vector(1));
                const auto value = o.updated(n), gradient = o.random(n), m = o.updated(n);
                return [=, &k, &s] {
                  const SgdSlot<float> slot{value, gradient, m};
                  k.sgd_step(s, {.momentum = 0.9}, rate, {&slot, 1});
                };
              }});
}

}  // namespace fringe::bench

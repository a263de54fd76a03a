#include "bench/suite.h"

namespace fringe::bench {

void bench_adam(Bench& bench) {
  const Shape shape = channel_vector(1 << 20);
  bench.time({"adam_step", shape, moved(shape, 7, 12), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto factors = o.positive(channel_vector(2));
                const auto value = o.updated(n), gradient = o.random(n), m = o.updated(n), v = o.updated(n);
                return [=, &k, &s] {
                  const AdamSlot<float> slot{value, gradient, m, v};
                  k.adam_step(s, {}, factors, {&slot, 1});
                };
              }});
}

}  // namespace fringe::bench

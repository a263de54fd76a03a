#include "bench/suite.h"

namespace fringe::bench {

void bench_choose_smaller(Bench& bench) {
  const Shape shape{16, 32, 32, 32, 2};
  bench.time({"choose_smaller", shape, moved(shape, 2, 0), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto score_a = o.random(sample_vector(n.n)), score_b = o.random(sample_vector(n.n)), a = o.random(n),
                           b = o.random(n), y = o.result(n);
                return [=, &k, &s] {
                  const ChoiceSlot<float> slot{a, b, y};
                  k.choose_smaller(s, score_a, score_b, {&slot, 1});
                };
              }});
}

}  // namespace fringe::bench

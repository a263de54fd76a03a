#include "bench/suite.h"

namespace fringe::bench {

void bench_philox(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 4};
  bench.time({"philox_uniform", shape, moved(shape, 1, 25), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto y = o.result(n);
                return [=, &k, &s] { k.philox_uniform(s, 1, 2, y); };
              }});
  bench.time({"philox_normal", shape, moved(shape, 1, 60), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto y = o.result(n);
                return [=, &k, &s] { k.philox_normal(s, 1, 2, y); };
              }});
}

}  // namespace fringe::bench

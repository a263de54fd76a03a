#include "bench/suite.h"

namespace fringe::bench {

void bench_add(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 16};
  bench.time({"add", shape, moved(shape, 3, 1), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto a = o.random(n), b = o.random(n), y = o.result(n);
                return [=, &k, &s] { k.add(s, a, b, y); };
              }});
}

}  // namespace fringe::bench

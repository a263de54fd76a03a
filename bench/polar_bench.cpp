#include "bench/suite.h"

namespace fringe::bench {

void bench_polar(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 1};
  bench.time({"polar_forward", shape, moved(shape, 4, 20), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto a = o.positive(n), phi = o.random(n), z = o.result(n.with_channels(2));
                return [=, &k, &s] { k.polar_forward(s, a, phi, z); };
              }});
  bench.time({"polar_backward", shape, moved(shape, 6, 25), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto a = o.positive(n), phi = o.random(n), dz = o.random(n.with_channels(2)), da = o.result(n),
                           dphi = o.result(n);
                return [=, &k, &s] { k.polar_backward(s, a, phi, dz, da, dphi); };
              }});
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_modulus(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 1};
  bench.time({"modulus_forward", shape, moved(shape, 3, 4), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto z = o.random(n.with_channels(2)), m = o.result(n);
                return [=, &k, &s] { k.modulus_forward(s, 1e-6F, z, m); };
              }});
  bench.time({"modulus_backward", shape, moved(shape, 6, 3), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto z = o.random(n.with_channels(2)), m = o.positive(n), dm = o.random(n), dz = o.result(z.shape);
                return [=, &k, &s] { k.modulus_backward(s, z, m, dm, dz); };
              }});
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_uniform_density(Bench& bench) {
  const Shape shape{1, 32, 32, 32, 1};
  bench.time({"uniform_density_forward", shape, moved(shape, 2, 8), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto a = o.positive(n), stats = o.zeros({n.n, 1, 1, 1, 3}), loss = o.result(sample_vector(n.n));
                return [=, &k, &s] { k.uniform_density_forward(s, a, stats, loss); };
              }});
  bench.time({"uniform_density_backward", shape, moved(shape, 2, 8), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto a = o.positive(n), stats = o.zeros({n.n, 1, 1, 1, 3}), loss = o.zeros(sample_vector(n.n)),
                           dloss = o.positive(loss.shape), da = o.result(n);
                k.uniform_density_forward(s, a, stats, loss);
                return [=, &k, &s] { k.uniform_density_backward(s, a, stats, dloss, da); };
              }});
}

}  // namespace fringe::bench

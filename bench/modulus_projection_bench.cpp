#include "bench/suite.h"

namespace fringe::bench {

void bench_modulus_projection(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 2}, Shape{8, 64, 64, 64, 2}})
    bench.time({"modulus_projection", shape, modulus_projection::cost(shape, sizeof(float)),
                [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto f = o.random(n), a = o.positive({1, n.d, n.h, n.w, 1}), y = o.result(n),
                             misfit = o.result(sample_vector(n.n));
                  return [=, &k, &s] { k.modulus_projection(s, 1e-3F, a, f, y, misfit); };
                }});
}

}  // namespace fringe::bench

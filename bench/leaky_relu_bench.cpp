#include "bench/suite.h"

namespace fringe::bench {

void bench_leaky_relu(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 16};
  bench.time({"leaky_relu_forward", shape, moved(shape, 2, 1), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(n);
                return [=, &k, &s] { k.leaky_relu_forward(s, 0.01F, x, y); };
              }});
  bench.time({"leaky_relu_backward", shape, moved(shape, 3, 1), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto y = o.random(n), dy = o.random(n), dx = o.result(n);
                return [=, &k, &s] { k.leaky_relu_backward(s, 0.01F, y, dy, dx); };
              }});
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_scaled_tanh(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 1};
  bench.time({"scaled_tanh_forward", shape, moved(shape, 2, 10), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(n);
                return [=, &k, &s] { k.scaled_tanh_forward(s, 3.0F, x, y); };
              }});
  bench.time({"scaled_tanh_backward", shape, moved(shape, 3, 4), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto y = o.random(n), dy = o.random(n), dx = o.result(n);
                return [=, &k, &s] { k.scaled_tanh_backward(s, 3.0F, y, dy, dx); };
              }});
}

}  // namespace fringe::bench

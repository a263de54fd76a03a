#include "bench/suite.h"

namespace fringe::bench {

void bench_max_pool(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 16};
  bench.time({"max_pool_forward", shape, moved(shape, 1.125, 1) + Cost{0, static_cast<double>(shape.size()) / 8},
              [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(max_pool::output_shape(n));
                const auto which = o.bytes(y.shape);
                return [=, &k, &s] { k.max_pool_forward(s, x, y, which); };
              }});
  bench.time({"max_pool_backward", shape, moved(shape, 1.125, 0) + Cost{0, static_cast<double>(shape.size()) / 8},
              [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto dy = o.random(max_pool::output_shape(n)), dx = o.result(n);
                const auto which = o.bytes(dy.shape);
                return [=, &k, &s] { k.max_pool_backward(s, which, dy, dx); };
              }});
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_upsample_nearest(Bench& bench) {
  const Shape shape{1, 32, 32, 32, 16};
  bench.time({"upsample_nearest_forward", shape, moved(shape, 9, 8), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(upsample_nearest::output_shape(n));
                return [=, &k, &s] { k.upsample_nearest_forward(s, x, y); };
              }});
  bench.time({"upsample_nearest_backward", shape, moved(shape, 9, 8), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto dy = o.random(upsample_nearest::output_shape(n)), dx = o.result(n);
                return [=, &k, &s] { k.upsample_nearest_backward(s, dy, dx); };
              }});
}

}  // namespace fringe::bench

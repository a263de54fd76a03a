#include "bench/suite.h"

namespace fringe::bench {

namespace {
Shape doubled(const Shape& n) { return {n.n, 2 * n.d, 2 * n.h, 2 * n.w, n.c}; }
}  // namespace

void bench_pad_centred(Bench& bench) {
  const Shape shape{1, 32, 32, 32, 2};
  bench.time({"pad_centred_forward", shape, moved(shape, 9, 0), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.random(n), y = o.result(doubled(n));
                return [=, &k, &s] { k.pad_centred_forward(s, x, y); };
              }});
  bench.time({"pad_centred_backward", shape, moved(shape, 2, 0), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto dy = o.random(doubled(n)), dx = o.result(n);
                return [=, &k, &s] { k.pad_centred_backward(s, dy, dx); };
              }});
}

}  // namespace fringe::bench

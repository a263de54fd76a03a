#include "bench/suite.h"

namespace fringe::bench {

void bench_conv3d(Bench& bench) {
  struct Layer {
    Shape x, w;
  };
  // The shapes a network of width 16 has at 64^3, and the one-dimensional kernels of its separable blocks.
  for (const auto& [shape, kernel] :
       {Layer{{1, 64, 64, 64, 1}, {3, 3, 3, 1, 16}}, Layer{{1, 32, 32, 32, 16}, {3, 3, 3, 16, 32}},
        Layer{{1, 16, 16, 16, 32}, {3, 3, 3, 32, 64}}, Layer{{1, 8, 8, 8, 64}, {3, 3, 3, 64, 128}},
        Layer{{1, 32, 32, 32, 32}, {3, 3, 3, 32, 16}}, Layer{{1, 32, 32, 32, 16}, {3, 3, 3, 16, 1}},
        Layer{{1, 64, 64, 64, 16}, {3, 1, 1, 16, 16}}, Layer{{1, 64, 64, 64, 16}, {1, 3, 1, 16, 16}},
        Layer{{1, 64, 64, 64, 16}, {1, 1, 3, 16, 16}}}) {
    const Shape w = kernel;
    const Cost cost = conv3d::cost(shape, w, sizeof(float));
    const std::string suffix = fmt::format(" {}x{}x{}", w.n, w.d, w.h);
    bench.time({"conv3d_forward" + suffix, shape, cost, [w](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), weights = o.random(w), b = o.random(channel_vector(w.c)),
                             y = o.result(n.with_channels(w.c));
                  return [=, &k, &s] { k.conv3d_forward(s, x, weights, b, y); };
                }});
    bench.time({"conv3d_backward_data" + suffix, shape, cost, [w](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto dy = o.random(n.with_channels(w.c)), weights = o.random(w), dx = o.result(n);
                  return [=, &k, &s] { k.conv3d_backward_data(s, dy, weights, dx); };
                }});
    bench.time({"conv3d_backward_weights" + suffix, shape, cost, [w](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), dy = o.random(n.with_channels(w.c)), dw = o.result(w),
                             db = o.result(channel_vector(w.c));
                  return [=, &k, &s] { k.conv3d_backward_weights(s, x, dy, dw, db); };
                }});
  }
}

}  // namespace fringe::bench

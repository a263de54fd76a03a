#include "bench/suite.h"

namespace fringe::bench {

void bench_separable_conv3d(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 8}, Shape{1, 64, 64, 64, 16}, Shape{1, 16, 16, 16, 64}}) {
    const Index c = shape.c;
    const Cost cost{2.0 * 9 * static_cast<double>(shape.size() * c), 8.0 * static_cast<double>(shape.size())};
    const auto arrays = [c](auto&& make) {
      const auto vector = [&] { return make(channel_vector(c)); };
      return SeparableWeights<View<float>>{make({3, 1, 1, c, c}), vector(), make({1, 3, 1, c, c}), vector(),
                                           make({1, 1, 3, c, c}), vector()};
    };
    const auto read = [](const SeparableWeights<View<float>>& k) {
      return SeparableWeights<ConstView<float>>{k.wd, k.bd, k.wh, k.bh, k.ww, k.bw};
    };
    bench.time({"separable_conv3d_forward", shape, cost, [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), u = o.result(n), v = o.result(n), y = o.result(n);
                  const auto weights = read(arrays([&](Shape w) { return o.random(w); }));
                  return [=, &k, &s] { k.separable_conv3d_forward(s, x, weights, u, v, y); };
                }});
    bench.time({"separable_conv3d_backward", shape, {2 * cost.flops, 3 * cost.bytes},
                [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), u = o.random(n), v = o.random(n), dy = o.random(n), dv = o.result(n),
                             du = o.result(n), dx = o.result(n);
                  const auto weights = read(arrays([&](Shape w) { return o.random(w); }));
                  const auto gradients = arrays([&](Shape w) { return o.result(w); });
                  return [=, &k, &s] { k.separable_conv3d_backward(s, x, u, v, weights, dy, dv, du, dx, gradients); };
                }});
  }
}

}  // namespace fringe::bench

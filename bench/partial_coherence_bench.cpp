#include "bench/suite.h"

namespace fringe::bench {

void bench_partial_coherence(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 1};
  const auto kernel = [](Operands& o, const Shape& n) {
    return CoherenceKernel<ConstView<float>>{o.positive({1, n.d, 1, 1, 1}), o.positive({1, 1, n.h, 1, 1}), o.positive({1, 1, 1, n.w, 1})};
  };
  const auto forward = [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
    const auto taps = kernel(o, n);
    const auto m = o.positive(n), y = o.result(n);
    return [=, &k, &s] { k.partial_coherence_forward(s, 1e-6F, taps, m, y); };
  };
  const auto backward = [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
    const auto taps = kernel(o, n);
    const auto m = o.positive(n), y = o.positive(n), dy = o.positive(n), dm = o.result(n);
    return [=, &k, &s] { k.partial_coherence_backward(s, taps, m, y, dy, dm); };
  };
  const double flops = 2.0 * static_cast<double>(shape.d + shape.h + shape.w);  // per voxel
  bench.time({"partial_coherence_forward", shape, moved(shape, 2, flops), forward});
  bench.time({"partial_coherence_backward", shape, moved(shape, 4, flops), backward});
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_poisson_loss(Bench& bench) {
  const Shape shape{1, 64, 64, 64, 1};
  const auto forward = [](const auto& k, Stream& s, Operands& o, const Shape& n) {
    const auto p = o.positive(n), t = o.positive(n), w = o.positive(n), stats = o.zeros({n.n, 1, 1, 1, 2}),
               loss = o.result(sample_vector(n.n));
    return [=, &k, &s] { k.poisson_loss_forward(s, {}, p, t, w, stats, loss); };
  };
  const auto backward = [](const auto& k, Stream& s, Operands& o, const Shape& n) {
    const auto p = o.positive(n), t = o.positive(n), w = o.positive(n), stats = o.zeros({n.n, 1, 1, 1, 2}),
               loss = o.zeros(sample_vector(n.n)), dloss = o.positive(loss.shape), dp = o.result(n);
    k.poisson_loss_forward(s, {}, p, t, w, stats, loss);
    return [=, &k, &s] { k.poisson_loss_backward(s, {}, p, t, w, stats, dloss, dp); };
  };
  bench.time({"poisson_loss_forward", shape, moved(shape, 6, 12), forward});
  bench.time({"poisson_loss_backward", shape, moved(shape, 4, 8), backward});
}

}  // namespace fringe::bench

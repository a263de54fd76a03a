#include "bench/suite.h"

namespace fringe::bench {

void bench_leaky_batch_norm(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 8}, Shape{1, 64, 64, 64, 32}}) {
    const Shape c = channel_vector(shape.c);
    bench.time({"leaky_batch_norm_forward", shape, moved(shape, 4, 6), [c](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), gamma = o.random(c), beta = o.random(c), mean = o.result(c), rstd = o.result(c),
                             y = o.result(n), running_mean = o.zeros(c), running_var = o.zeros(c);
                  return [=, &k, &s] {
                    k.leaky_batch_norm_forward(s, {}, 0.01F, x, gamma, beta, running_mean, running_var, mean, rstd, y);
                  };
                }});
    bench.time({"leaky_batch_norm_backward", shape, moved(shape, 5, 9), [c](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto a = o.random(n), gamma = o.random(c), mean = o.random(c), rstd = o.positive(c), dy = o.random(n),
                             dx = o.result(n), dgamma = o.result(c), dbeta = o.result(c);
                  return [=, &k, &s] { k.leaky_batch_norm_backward(s, 0.01F, a, gamma, mean, rstd, dy, dx, dgamma, dbeta); };
                }, 1e-3});
  }
}

}  // namespace fringe::bench

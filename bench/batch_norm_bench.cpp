#include "bench/suite.h"

namespace fringe::bench {

void bench_batch_norm(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 8}, Shape{1, 64, 64, 64, 32}, Shape{1, 8, 8, 8, 128}}) {
    const Shape c = channel_vector(shape.c);
    bench.time({"batch_norm_forward", shape, moved(shape, 3, 5), [c](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), gamma = o.random(c), beta = o.random(c), mean = o.result(c), rstd = o.result(c),
                             y = o.result(n), running_mean = o.zeros(c), running_var = o.zeros(c);
                  return [=, &k, &s] { k.batch_norm_forward(s, {}, x, gamma, beta, running_mean, running_var, mean, rstd, y); };
                }});
    bench.time({"batch_norm_backward", shape, moved(shape, 5, 8), [c](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), gamma = o.random(c), mean = o.random(c), rstd = o.positive(c), dy = o.random(n),
                             dx = o.result(n), dgamma = o.result(c), dbeta = o.result(c);
                  return [=, &k, &s] { k.batch_norm_backward(s, x, gamma, mean, rstd, dy, dx, dgamma, dbeta); };
                }, 1e-3});
  }
}

}  // namespace fringe::bench

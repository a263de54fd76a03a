#include "bench/suite.h"

namespace fringe::bench {

void bench_batch_norm_fold(Bench& bench) {
  const Shape shape = channel_vector(128);
  bench.time({"batch_norm_fold_forward", shape, moved(shape, 11, 12), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto statistics = o.positive(batch_norm_fold::statistics_shape(n.c)), gamma = o.random(n), beta = o.random(n),
                           mean = o.zeros(n), var = o.zeros(n), affine = o.result(batch_norm_fold::affine_shape(n.c));
                return [=, &k, &s] { k.batch_norm_fold_forward(s, {}, 4096, statistics, gamma, beta, mean, var, affine); };
              }});
  bench.time({"batch_norm_fold_backward", shape, moved(shape, 11, 16), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto statistics = o.positive(batch_norm_fold::statistics_shape(n.c)), gamma = o.random(n),
                           daffine = o.random(batch_norm_fold::affine_shape(n.c)), dgamma = o.result(n),
                           dbeta = o.result(n), fold = o.result(batch_norm_fold::affine_shape(n.c));
                return [=, &k, &s] { k.batch_norm_fold_backward(s, {}, 4096, statistics, gamma, daffine, dgamma, dbeta, fold); };
              }});
}

}  // namespace fringe::bench

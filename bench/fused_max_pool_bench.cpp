#include "bench/suite.h"
#include "kernels/max_pool.h"

namespace fringe::bench {

void bench_fused_max_pool(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 8}, Shape{1, 64, 64, 64, 32}})
    bench.time({"fused_max_pool_forward", shape, max_pool::cost(shape, sizeof(float)),
                [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const Shape half = max_pool::output_shape(n);
                  const auto x = o.random(n), affine = o.random(batch_norm_fold::affine_shape(n.c)), y = o.result(half);
                  const auto which = o.bytes(half);
                  return [=, &k, &s] { k.fused_max_pool_forward(s, x, affine, y, which); };
                }});
}

}  // namespace fringe::bench

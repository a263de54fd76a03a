#include "bench/suite.h"

namespace fringe::bench {

void bench_scalars(Bench& bench) {
  const Shape shape = sample_vector(32);
  bench.time({"log_forward", shape, moved(shape, 2, 10), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.positive(n), y = o.result(n);
                return [=, &k, &s] { k.log_forward(s, 1e-3F, x, y); };
              }});
  bench.time({"log_backward", shape, moved(shape, 3, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.positive(n), dy = o.random(n), dx = o.result(n);
                return [=, &k, &s] { k.log_backward(s, 1e-3F, x, dy, dx); };
              }});
  bench.time({"weighted_sum_forward", shape, moved(shape, 3, 3), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto weights = o.random(channel_vector(2)), a = o.random(n), b = o.random(n), y = o.result(n);
                return [=, &k, &s] {
                  const std::vector<ConstView<float>> terms{a, b};
                  k.weighted_sum_forward(s, weights, terms, y);
                };
              }});
  bench.time({"weighted_sum_backward", shape, moved(shape, 2, 1), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto weights = o.random(channel_vector(2)), dy = o.random(n), dx = o.result(n);
                return [=, &k, &s] { k.weighted_sum_backward(s, weights, 1, dy, dx); };
              }});
}

}  // namespace fringe::bench

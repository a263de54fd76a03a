#include "bench/suite.h"

namespace fringe::bench {

void bench_likelihood_step(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 2}, Shape{8, 64, 64, 64, 2}}) {
    const auto amplitude = [](Operands& o, const Shape& n) { return o.positive({1, n.d, n.h, n.w, 1}); };
    bench.time({"likelihood_gradient", shape, moved(shape, 4, 8), [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto a = amplitude(o, n), scalars = o.zeros({n.n, 1, 1, 1, 2}), d = o.random(n), f = o.random(n),
                             g = o.result(n), misfit = o.result(sample_vector(n.n));
                  return [=, &k, &s] { k.likelihood_gradient(s, {}, a, scalars, d, f, g, misfit); };
                }});
    bench.time({"likelihood_products", shape, moved(shape, 2, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto support = o.positive(support_update::box_shape(n)), before = o.random(n), d = o.random(n),
                             g = o.random(n), products = o.result({n.n, 1, 1, 1, 3});
                  return [=, &k, &s] { k.likelihood_products(s, support, before, d, g, products); };
                }});
    bench.time({"likelihood_direction", shape, moved(shape, 4, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto products = o.zeros({n.n, 1, 1, 1, 3}), scalars = o.zeros({n.n, 1, 1, 1, 2}), g = o.random(n),
                             before = o.result(n), d = o.updated(n);
                  return [=, &k, &s] { k.likelihood_direction(s, products, scalars, g, before, d); };
                }});
    bench.time({"likelihood_search", shape, moved(shape, 5, 30), [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto a = amplitude(o, n), f = o.random(n), d = o.random(n), products = o.positive({n.n, 1, 1, 1, 3}),
                             scalars = o.result({n.n, 1, 1, 1, 2});
                  return [=, &k, &s] { k.likelihood_search(s, {}, a, f, d, products, scalars); };
                }});
    bench.time({"likelihood_advance", shape, moved(shape, 3, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto scalars = o.zeros({n.n, 1, 1, 1, 2}), d = o.random(n), x = o.updated(n);
                  return [=, &k, &s] { k.likelihood_advance(s, scalars, d, x); };
                }});
  }
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void bench_support_update(Bench& bench) {
  SupportUpdateParams er, hio;
  hio.x_out = 1, hio.p_out = -0.9;
  for (const Shape shape : {Shape{1, 64, 64, 64, 2}, Shape{8, 64, 64, 64, 2}}) {
    for (const auto& [name, params] : {std::pair{"support_update ER", er}, {"support_update HIO", hio}})
      bench.time({name, shape, support_update::cost(params, shape, sizeof(float)),
                  [params = params](const auto& k, Stream& s, Operands& o, const Shape& n) {
                    const auto x = o.random(n), p = o.random(n), support = o.mask(support_update::box_shape(n)), y = o.result(n);
                    return [=, &k, &s] { k.support_update(s, params, support, {}, x, p, y); };
                  }});
    bench.time({"density_sums", shape, moved(shape, 1, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), support = o.mask(support_update::box_shape(n)), sums = o.result({n.n, 1, 1, 1, 3});
                  return [=, &k, &s] { k.density_sums(s, support, x, sums); };
                }});
    bench.time({"charge_flip", shape, moved(shape, 2, 2), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto p = o.random(n), sums = o.positive({n.n, 1, 1, 1, 3}), y = o.result(n);
                  return [=, &k, &s] { k.charge_flip(s, 10.0F, sums, p, y); };
                }});
  }
}

}  // namespace fringe::bench

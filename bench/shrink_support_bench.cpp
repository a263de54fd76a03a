#include "bench/suite.h"

namespace fringe::bench {

void bench_shrink_support(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 2}, Shape{8, 64, 64, 64, 2}}) {
    const Shape box = support_update::box_shape(shape);
    const double taps = 3 * (2.0 * static_cast<double>(shrink_support::reach(1.0)) + 1);
    bench.time({"blurred_amplitude",
                shape,
                {2 * taps * static_cast<double>(box.size()), sizeof(float) * static_cast<double>(shape.size() + box.size())},
                [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), b = o.result(support_update::box_shape(n));
                  return [=, &k, &s] { k.blurred_amplitude(s, 1.0F, x, b); };
                }});
    bench.time({"shrink_support", box, moved(box, 3, 8), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto b = o.positive(n), thresholds = o.positive(sample_vector(n.n)), before = o.positive(n),
                             support = o.result(n), stats = o.result({n.n, 1, 1, 1, 4});
                  const ShrinkSupportParams params{ThresholdOf::level, 1, n.voxels()};
                  return [=, &k, &s] { k.shrink_support(s, params, thresholds, b, before, support, stats); };
                }});
    bench.time({"roll", shape, moved(shape, 2, 0), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), y = o.result(n),
                             stats = o.made({n.n, 1, 1, 1, 4}, [](Index i) { return static_cast<float>(i % 3); });
                  return [=, &k, &s] { k.roll(s, stats, x, y); };
                }});
  }
}

}  // namespace fringe::bench

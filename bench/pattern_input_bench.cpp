#include "bench/suite.h"

namespace fringe::bench {

void bench_pattern_input(Bench& bench) {
  const Shape shape{16, 64, 64, 64, 1};
  bench.time({"pattern_amplitude", shape, moved(shape, 2, 1), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.positive(n), y = o.result(n);
                return [=, &k, &s] { k.pattern_amplitude(s, x, y); };
              }});
  bench.time({"relative_amplitude", shape, moved(shape, 3, 12), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.positive(n), y = o.result(n);
                return [=, &k, &s] { k.relative_amplitude(s, true, x, y); };
              }});
  bench.time({"complex_intensity", shape, moved(shape, 3, 0), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto x = o.positive(n), z = o.result(n.with_channels(2));
                return [=, &k, &s] { k.complex_intensity(s, x, z); };
              }});
  bench.time({"autocorrelation_input", shape, moved(shape, 4, 12), [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                const auto z = o.positive(n.with_channels(2)), y = o.result(n.with_channels(2));
                return [=, &k, &s] { k.autocorrelation_input(s, z, y); };
              }});
}

}  // namespace fringe::bench

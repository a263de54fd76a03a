#include "bench/suite.h"

namespace fringe::bench {

void bench_wrapped_fft3d(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 2}, Shape{8, 64, 64, 64, 2}, Shape{1, 128, 128, 128, 2}}) {
    bench.time({"wrapped_fft3d_forward", shape, fft3d::cost(shape, sizeof(float)),
                [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), y = o.result(n);
                  return [=, &k, &s] { k.wrapped_fft3d_forward(s, x, y); };
                }});
    bench.time({"wrapped_fft3d_backward", shape, fft3d::cost(shape, sizeof(float)),
                [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = o.random(n), y = o.result(n);
                  return [=, &k, &s] { k.wrapped_fft3d_backward(s, x, y); };
                }});
  }
}

}  // namespace fringe::bench

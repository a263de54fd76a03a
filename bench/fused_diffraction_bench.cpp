#include "bench/suite.h"
#include "kernels/fused_diffraction.h"

namespace fringe::bench {
namespace {

/// The frame of an object of half its extent.
Shape twice(const Shape& s) { return {s.n, 2 * s.d, 2 * s.h, 2 * s.w, 1}; }

}  // namespace

void bench_fused_diffraction(Bench& bench) {
  for (const Shape object : {Shape{1, 16, 16, 16, 1}, Shape{1, 32, 32, 32, 1}, Shape{1, 64, 64, 64, 1}}) {
    const Cost cost = fused_diffraction::cost(object, twice(object), sizeof(float));
    bench.time({"fused_diffraction_forward", object, cost, [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto a = o.positive(n), phi = o.random(n), m = o.result(twice(n)),
                             field = o.zeros(twice(n).with_channels(2));
                  return [=, &k, &s] { k.fused_diffraction_forward(s, 1e-6F, a, phi, field, m); };
                }});
    bench.time({"fused_diffraction_backward", object, cost, [](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto a = o.positive(n), phi = o.random(n), m = o.zeros(twice(n)), dm = o.random(twice(n)),
                             field = o.zeros(twice(n).with_channels(2)), da = o.result(n), dphi = o.result(n);
                  k.fused_diffraction_forward(s, 1e-6F, a, phi, field, m);
                  return [=, &k, &s] { k.fused_diffraction_backward(s, a, phi, field, m, dm, da, dphi); };
                }});
  }
}

}  // namespace fringe::bench

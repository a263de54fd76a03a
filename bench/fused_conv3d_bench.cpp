#include "bench/suite.h"
#include "kernels/max_pool.h"

namespace fringe::bench {

void bench_fused_conv3d(Bench& bench) {
  struct Layer {
    Shape x;
    Index co;
    bool affine, upsampled;
  };
  // The convolutions of a network of width 16 at 64^3. Flops are those of direct convolution.
  for (const auto& layer : {Layer{{1, 64, 64, 64, 1}, 16, false, false}, Layer{{1, 32, 32, 32, 16}, 32, true, false},
                            Layer{{1, 16, 16, 16, 32}, 64, true, false}, Layer{{1, 8, 8, 8, 64}, 128, true, false},
                            Layer{{1, 8, 8, 8, 64}, 32, true, true}, Layer{{1, 16, 16, 16, 32}, 16, true, true},
                            Layer{{1, 32, 32, 32, 16}, 1, true, false}}) {
    const bool up = layer.upsampled;
    const Index co = layer.co;
    const Shape w{3, 3, 3, layer.x.c, co};
    const auto reading = [=, affine = layer.affine](Operands& o, const Shape& n) {
      return Reading<float>{o.random(n), affine ? o.random(batch_norm_fold::affine_shape(n.c)) : View<float>{}, up};
    };
    const auto gradient = [=](Operands& o, const Shape& y) {
      return PendingGradient<float>{o.random(y), {}, o.random(y), co > 1 ? o.random(batch_norm_fold::affine_shape(co)) : View<float>{},
                                    0.01F};
    };
    const Shape full = Reading<float>{{nullptr, layer.x}, {}, up}.shape();
    const Cost cost = conv3d::cost(full, w, sizeof(float));
    const std::string suffix = up ? " upsampled" : "";
    bench.time({"fused_conv3d_forward" + suffix, layer.x, cost, [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = reading(o, n);
                  const auto weights = o.random(w), b = o.random(channel_vector(co)), y = o.result(x.shape().with_channels(co)),
                             statistics = o.result(batch_norm_fold::statistics_shape(co));
                  return [=, &k, &s] { k.fused_conv3d_forward(s, 0.01F, x, weights, b, y, statistics); };
                }});
    bench.time({"fused_conv3d_backward_weights" + suffix, layer.x, cost, [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = reading(o, n);
                  const auto g = gradient(o, x.shape().with_channels(co));
                  const auto dw = o.result(w), db = o.result(channel_vector(co));
                  return [=, &k, &s] { k.fused_conv3d_backward_weights(s, x, g, dw, db); };
                }});
    if (layer.x.c == 1) continue;
    bench.time({"fused_conv3d_backward_data" + suffix, layer.x, cost, [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const auto x = reading(o, n);
                  const auto g = gradient(o, x.shape().with_channels(co));
                  const auto weights = o.random(w), dx = o.result(n), daffine = o.result(x.affine.shape);
                  return [=, &k, &s] { k.fused_conv3d_backward_data(s, g, weights, x, dx, daffine); };
                }});
  }
}

}  // namespace fringe::bench

#include "bench/suite.h"
#include "kernels/bfloat16.h"
#include "kernels/max_pool.h"

namespace fringe::bench {
namespace {

bool packs(const KernelTable<float>& k, const Stream& s) {
  return s.precision() == Precision::bfloat16 && k.packs_bfloat16 != nullptr && k.packs_bfloat16();
}

/// What a training step keeps of these numbers in the stream's precision.
View<float> kept(const KernelTable<float>& k, const Stream& s, Operands& o, View<float> values) {
  const auto packed = o.zeros(packs(k, s) ? fused_separable_conv3d::packed_shape(values.shape) : values.shape);
  if (packed.shape == values.shape) return values;
  auto* to = reinterpret_cast<bfloat16*>(packed.data);
  for (Index i = 0; i < values.size(); ++i)
    to[i].bits = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(to_bfloat16(values[i])) >> 16);
  return packed;
}

}  // namespace

void bench_fused_separable_conv3d(Bench& bench) {
  for (const Shape shape : {Shape{1, 64, 64, 64, 8}, Shape{1, 64, 64, 64, 16}, Shape{1, 64, 64, 64, 32}, Shape{1, 16, 16, 16, 64}}) {
    const Index c = shape.c;
    const Cost cost{2.0 * 9 * static_cast<double>(shape.size() * c), 8.0 * static_cast<double>(shape.size())};
    const auto arrays = [c](auto&& make) {
      const auto vector = [&] { return make(channel_vector(c)); };
      return SeparableWeights<View<float>>{make({3, 1, 1, c, c}), vector(), make({1, 3, 1, c, c}), vector(),
                                           make({1, 1, 3, c, c}), vector()};
    };
    const auto read = [](const SeparableWeights<View<float>>& k) {
      return SeparableWeights<ConstView<float>>{k.wd, k.bd, k.wh, k.bh, k.ww, k.bw};
    };
    bench.time({"fused_separable_conv3d_forward", shape, cost, [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const Reading<float> x{o.random(n), o.random(batch_norm_fold::affine_shape(c)), false};
                  const Shape between = packs(k, s) ? fused_separable_conv3d::packed_shape(n) : n;
                  const auto u = o.zeros(between), v = o.zeros(between), y = o.result(n),
                             statistics = o.result(batch_norm_fold::statistics_shape(c));
                  const auto weights = read(arrays([&](Shape w) { return o.random(w); }));
                  return [=, &k, &s] { k.fused_separable_conv3d_forward(s, 0.01F, x, weights, u, v, y, statistics); };
                }});
    bench.time({"fused_separable_conv3d_backward", shape, {2 * cost.flops, 3 * cost.bytes},
                [=](const auto& k, Stream& s, Operands& o, const Shape& n) {
                  const Reading<float> x{o.random(n), o.random(batch_norm_fold::affine_shape(c)), false};
                  const Shape half = max_pool::output_shape(n);
                  const auto u = kept(k, s, o, o.random(n)), v = kept(k, s, o, o.random(n));
                  const auto dv = o.zeros(u.shape), du = o.zeros(u.shape), dx = o.result(n),
                             daffine = o.result(batch_norm_fold::affine_shape(c));
                  const PendingGradient<float> g{o.random(half), o.bytes(half), o.random(n),
                                                 o.random(batch_norm_fold::affine_shape(c)), 0.01F};
                  const auto weights = read(arrays([&](Shape w) { return o.random(w); }));
                  const auto gradients = arrays([&](Shape w) { return o.result(w); });
                  return [=, &k, &s] {
                    k.fused_separable_conv3d_backward(s, x, u, v, weights, g, dv, du, dx, daffine, gradients);
                  };
                }});
  }
}

}  // namespace fringe::bench

// Strategy: the parameters of all slots are one long row of numbers, cut into equal pieces for the threads; every number is
// computed alike wherever it falls.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/adam.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/adam.h"
#include "kernels/cpu/parallel.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void update(float b1, float rest1, float b2, float rest2, float c1, float c2, float epsilon, Index n,
            const float* HWY_RESTRICT g, float* HWY_RESTRICT x, float* HWY_RESTRICT m, float* HWY_RESTRICT v) {
  const auto run = [&](auto d, Index i) {
    const auto gi = hn::LoadU(d, g + i);
    const auto mi = hn::MulAdd(hn::Set(d, b1), hn::LoadU(d, m + i), hn::Mul(hn::Set(d, rest1), gi));
    const auto vi = hn::MulAdd(hn::Set(d, b2), hn::LoadU(d, v + i), hn::Mul(hn::Set(d, rest2), hn::Mul(gi, gi)));
    hn::StoreU(mi, d, m + i);
    hn::StoreU(vi, d, v + i);
    const auto root = hn::Add(hn::Sqrt(hn::Mul(vi, hn::Set(d, c2))), hn::Set(d, epsilon));
    hn::StoreU(hn::Sub(hn::LoadU(d, x + i), hn::Div(hn::Mul(hn::Set(d, c1), mi), root)), d, x + i);
  };
  const hn::ScalableTag<float> wide;
  const Index lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) run(wide, i);
  for (; i < n; ++i) run(hn::CappedTag<float, 1>(), i);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(update);
}

void adam_step(Stream& stream, const AdamParams& p, ConstView<float> factors, std::span<const AdamSlot<float>> slots) {
  adam::require_shapes(factors.shape);
  const auto b1 = static_cast<float>(p.beta1), rest1 = static_cast<float>(1 - p.beta1), b2 = static_cast<float>(p.beta2),
             rest2 = static_cast<float>(1 - p.beta2), epsilon = static_cast<float>(p.epsilon);
  const float c1 = factors[0], c2 = factors[1];
  Index total = 0;
  for (const auto& s : slots) total += s.value.size();
  parallel_ranges(stream, total, 1 << 12, [&](Index begin, Index end) {
    Index first = 0;  // of the slot, in the row of all
    for (const auto& s : slots) {
      const Index from = std::max(begin - first, Index{0}), to = std::min(end - first, s.value.size());
      if (from < to) {
        HWY_DYNAMIC_DISPATCH(update)
        (b1, rest1, b2, rest2, c1, c2, epsilon, to - from, s.gradient.data + from, s.value.data + from, s.m.data + from,
         s.v.data + from);
      }
      first += s.value.size();
    }
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

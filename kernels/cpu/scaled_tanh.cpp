// Strategy: flat runs; tanh from Highway's math library.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/scaled_tanh.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/contrib/math/math-inl.h"
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/scaled_tanh.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void tanh_run(float scale, const float* x, float* y, Index n) {
  const hn::ScalableTag<float> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto s = hn::Set(d, scale);
  Index i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(hn::Mul(s, hn::Tanh(d, hn::LoadU(d, x + i))), d, y + i);
  const hn::CappedTag<float, 1> one;
  for (; i < n; ++i) hn::StoreU(hn::Mul(hn::Set(one, scale), hn::Tanh(one, hn::LoadU(one, x + i))), one, y + i);
}

void tanh_gradient_run(float scale, const float* y, const float* dy, float* dx, Index n) {
  const float inverse = 1 / scale;
  for (Index i = 0; i < n; ++i) dx[i] = dy[i] * (scale - y[i] * y[i] * inverse);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(tanh_run);
HWY_EXPORT(tanh_gradient_run);
}  // namespace

void scaled_tanh_forward(Stream& stream, float scale, ConstView<float> x, View<float> y) {
  require_shape("scaled_tanh", "y", y.shape, x.shape);
  parallel_ranges(stream, x.size(), 1 << 12, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(tanh_run)(scale, x.data + begin, y.data + begin, end - begin);
  });
}

void scaled_tanh_backward(Stream& stream, float scale, ConstView<float> y, ConstView<float> dy, View<float> dx) {
  require_shape("scaled_tanh", "dy", dy.shape, y.shape);
  require_shape("scaled_tanh", "dx", dx.shape, y.shape);
  parallel_ranges(stream, y.size(), 1 << 12, [&](Index begin, Index end) {
    HWY_DYNAMIC_DISPATCH(tanh_gradient_run)(scale, y.data + begin, dy.data + begin, dx.data + begin, end - begin);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

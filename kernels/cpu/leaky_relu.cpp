// Strategy: the array is one flat run of floats, split into as many equal pieces as there are threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/leaky_relu.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"

#include "kernels/cpu/parallel.h"
#include "kernels/leaky_relu.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using Vec = hn::ScalableTag<float>;

void forward(float slope, const float* x, float* y, Index n) {
  const Vec d;
  const auto s = hn::Set(d, slope);
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    hn::StoreU(hn::IfThenElse(hn::Gt(v, hn::Zero(d)), v, hn::Mul(s, v)), d, y + i);  // (1)
  }
  for (; i < n; ++i) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}

void backward(float slope, const float* y, const float* dy, float* dx, Index n) {
  const Vec d;
  const auto s = hn::Set(d, slope);
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto g = hn::LoadU(d, dy + i);
    const auto positive = hn::Gt(hn::LoadU(d, y + i), hn::Zero(d));
    hn::StoreU(hn::IfThenElse(positive, g, hn::Mul(s, g)), d, dx + i);  // (2)
  }
  for (; i < n; ++i) dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {

HWY_EXPORT(forward);
HWY_EXPORT(backward);

void leaky_relu_forward(Stream& stream, float slope, ConstView<float> x, View<float> y) {
  require_shape("leaky_relu", "y", y.shape, x.shape);
  const auto kernel = HWY_DYNAMIC_DISPATCH(forward);
  parallel_ranges(stream, x.size(), 1 << 12, [&](Index begin, Index end) {
    kernel(slope, x.data + begin, y.data + begin, end - begin);
  });
}

void leaky_relu_backward(Stream& stream, float slope, ConstView<float> y, ConstView<float> dy, View<float> dx) {
  require_shape("leaky_relu", "dy", dy.shape, y.shape);
  require_shape("leaky_relu", "dx", dx.shape, y.shape);
  const auto kernel = HWY_DYNAMIC_DISPATCH(backward);
  parallel_ranges(stream, y.size(), 1 << 12, [&](Index begin, Index end) {
    kernel(slope, y.data + begin, dy.data + begin, dx.data + begin, end - begin);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

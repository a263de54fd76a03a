// Strategy: the loops of batch_norm (kernels/cpu/batch_norm-inl.h). LeakyReLU rides on the pass that sums the statistics, its
// gradient on the pass that writes dx.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/leaky_batch_norm.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/batch_norm-inl.h"
#include "kernels/leaky_batch_norm.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void leaky_forward(Stream& stream, const BatchNormParams<float>& p, float slope, View<float> x, ConstView<float> gamma,
                   ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                   View<float> rstd, View<float> y) {
  normalise<true>(stream, p, slope, x, gamma, beta, running_mean, running_var, mean, rstd, y);
}
void leaky_forward_eval(Stream& stream, const BatchNormParams<float>& p, float slope, ConstView<float> x,
                        ConstView<float> gamma, ConstView<float> beta, ConstView<float> running_mean,
                        ConstView<float> running_var, View<float> y) {
  normalise_eval<true>(stream, p, slope, x, gamma, beta, running_mean, running_var, y);
}
void leaky_backward(Stream& stream, float slope, ConstView<float> a, ConstView<float> gamma, ConstView<float> mean,
                    ConstView<float> rstd, ConstView<float> dy, View<float> dx, View<float> dgamma, View<float> dbeta) {
  normalise_backward<true>(stream, slope, a, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(leaky_forward);
HWY_EXPORT(leaky_forward_eval);
HWY_EXPORT(leaky_backward);
}  // namespace

void leaky_batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, float slope, View<float> x,
                              ConstView<float> gamma, ConstView<float> beta, View<float> running_mean,
                              View<float> running_var, View<float> mean, View<float> rstd, View<float> y) {
  HWY_DYNAMIC_DISPATCH(leaky_forward)(stream, p, slope, x, gamma, beta, running_mean, running_var, mean, rstd, y);
}
void leaky_batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, float slope, ConstView<float> x,
                                   ConstView<float> gamma, ConstView<float> beta, ConstView<float> running_mean,
                                   ConstView<float> running_var, View<float> y) {
  HWY_DYNAMIC_DISPATCH(leaky_forward_eval)(stream, p, slope, x, gamma, beta, running_mean, running_var, y);
}
void leaky_batch_norm_backward(Stream& stream, float slope, ConstView<float> a, ConstView<float> gamma,
                               ConstView<float> mean, ConstView<float> rstd, ConstView<float> dy, View<float> dx,
                               View<float> dgamma, View<float> dbeta) {
  HWY_DYNAMIC_DISPATCH(leaky_backward)(stream, slope, a, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

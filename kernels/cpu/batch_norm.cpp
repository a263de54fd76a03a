// Strategy: kernels/cpu/batch_norm-inl.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batch_norm.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "kernels/cpu/batch_norm-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void forward(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
             ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean, View<float> rstd,
             View<float> y) {
  normalise<false>(stream, p, 0, x, gamma, beta, running_mean, running_var, mean, rstd, y);
}
void forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                  ConstView<float> beta, ConstView<float> running_mean, ConstView<float> running_var, View<float> y) {
  normalise_eval<false>(stream, p, 0, x, gamma, beta, running_mean, running_var, y);
}
void backward(Stream& stream, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean, ConstView<float> rstd,
              ConstView<float> dy, View<float> dx, View<float> dgamma, View<float> dbeta) {
  normalise_backward<false>(stream, 0, x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(forward);
HWY_EXPORT(forward_eval);
HWY_EXPORT(backward);
}  // namespace

void batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                        ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                        View<float> rstd, View<float> y) {
  HWY_DYNAMIC_DISPATCH(forward)(stream, p, x, gamma, beta, running_mean, running_var, mean, rstd, y);
}
void batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x,
                             ConstView<float> gamma, ConstView<float> beta, ConstView<float> running_mean,
                             ConstView<float> running_var, View<float> y) {
  HWY_DYNAMIC_DISPATCH(forward_eval)(stream, p, x, gamma, beta, running_mean, running_var, y);
}
void batch_norm_backward(Stream& stream, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean,
                         ConstView<float> rstd, ConstView<float> dy, View<float> dx, View<float> dgamma,
                         View<float> dbeta) {
  HWY_DYNAMIC_DISPATCH(backward)(stream, x, gamma, mean, rstd, dy, dx, dgamma, dbeta);
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

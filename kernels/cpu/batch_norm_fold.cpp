// A few numbers per channel: the reference is as fast as anything.
#include "kernels/batch_norm_fold.h"

namespace fringe::cpu {

void batch_norm_fold_forward(Stream& stream, const BatchNormParams<float>& p, Index count, ConstView<float> statistics,
                             ConstView<float> gamma, ConstView<float> beta, View<float> running_mean, View<float> running_var,
                             View<float> affine) {
  reference::batch_norm_fold_forward<float>(stream, p, count, statistics, gamma, beta, running_mean, running_var, affine);
}

void batch_norm_fold_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> gamma, ConstView<float> beta,
                                  ConstView<float> running_mean, ConstView<float> running_var, View<float> affine) {
  reference::batch_norm_fold_forward_eval<float>(stream, p, gamma, beta, running_mean, running_var, affine);
}

void batch_norm_fold_backward(Stream& stream, const BatchNormParams<float>& p, Index count, ConstView<float> statistics,
                              ConstView<float> gamma, ConstView<float> daffine, View<float> dgamma, View<float> dbeta,
                              View<float> fold) {
  reference::batch_norm_fold_backward<float>(stream, p, count, statistics, gamma, daffine, dgamma, dbeta, fold);
}

}  // namespace fringe::cpu

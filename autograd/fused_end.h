// What the fused operations share: LeakyReLU, statistics, normalisation and pooling after their convolutions, and the gradient
// through these.
#pragma once
#include "autograd/ops.h"

namespace fringe::autograd {

/// Appends the results of a convolution to the tape: y with LeakyReLU applied, and its statistics (empty when not needed).
/// `backward(g)` gets the gradient by the convolution's sum.
template <class T>
Activation<T> finish(Tape<T>& tape, const FusedEnd<T>& end, const Tensor<T>& y, const Tensor<T>& statistics,
                     const std::vector<Variable<T>>& inputs, std::function<void(const PendingGradient<T>&)> backward) {
  const Index channels = y.shape().c, count = y.shape().rows();
  const Shape affine_shape = batch_norm_fold::affine_shape(channels);
  Tensor<T> affine, fold;
  if (end.norm) {
    const auto& norm = *end.norm;
    affine = tape.tensor(affine_shape);
    if (norm.eval) {
      tape.launch(&KernelTable<T>::batch_norm_fold_forward_eval, "batch_norm_fold_forward_eval", BatchNormParams<T>{},
                  norm.gamma.value().read(), norm.beta.value().read(), norm.running_mean->value.read(),
                  norm.running_var->value.read(), affine.view());
    } else {
      tape.launch(&KernelTable<T>::batch_norm_fold_forward, "batch_norm_fold_forward", BatchNormParams<T>{}, count,
                  statistics.read(), norm.gamma.value().read(), norm.beta.value().read(), norm.running_mean->value.view(),
                  norm.running_var->value.view(), affine.view());
      fold = tape.tensor(affine_shape);
    }
  }
  Tensor<T> value = y;
  Tensor<std::uint8_t> which;
  if (end.pool) {
    const Shape pooled = max_pool::output_shape(y.shape());
    value = tape.tensor(pooled);
    which = Tensor<std::uint8_t>(tape.context(), pooled);
    tape.launch(&KernelTable<T>::fused_max_pool_forward, "fused_max_pool_forward", y.read(), affine.read(), value.view(),
                which.view());
  }
  if (end.norm && end.norm->eval) return {tape.constant(value), tape.constant(affine)};
  // saves: y, which, fold
  Activation<T> result;
  result.x = tape.result(value, inputs, [y, which, fold, slope = end.slope, backward = std::move(backward)](const Tensor<T>& dz) {
    backward({dz.read(), which.read(), y.read(), fold.read(), slope});
  });
  if (!end.norm) return result;
  // Appended later, so that backward comes to it earlier: it fills `fold`. saves: statistics
  result.affine = tape.result(
      affine, {end.norm->gamma, end.norm->beta}, [&tape, norm = *end.norm, count, statistics, fold](const Tensor<T>& daffine) {
        tape.accumulate(norm.gamma, [&](View<T> dgamma) {
          tape.accumulate(norm.beta, [&](View<T> dbeta) {
            tape.launch(&KernelTable<T>::batch_norm_fold_backward, "batch_norm_fold_backward", BatchNormParams<T>{}, count,
                        statistics.read(), norm.gamma.value().read(), daffine.read(), dgamma, dbeta, fold.view());
          });
        });
      });
  return result;
}

/// Hands `write` the places for the gradients of x and of its affine, when x needs one.
template <class T>
void accumulate(Tape<T>& tape, const Activation<T>& x, const std::function<void(View<T> dx, View<T> daffine)>& write) {
  tape.accumulate(x.x, [&](View<T> dx) {
    if (!x.normalised()) return write(dx, {});
    tape.accumulate(x.affine, [&](View<T> daffine) { write(dx, daffine); });
  });
}

template <class T>
Tensor<T> statistics_for(Tape<T>& tape, const FusedEnd<T>& end, Index channels) {
  return end.norm && !end.norm->eval ? tape.tensor(batch_norm_fold::statistics_shape(channels)) : Tensor<T>();
}

/// x and its affine as inputs of a node, before `more`.
template <class T>
std::vector<Variable<T>> inputs_with(const Activation<T>& x, std::vector<Variable<T>> more) {
  more.push_back(x.x);
  if (x.normalised()) more.push_back(x.affine);
  return more;
}

}  // namespace fringe::autograd

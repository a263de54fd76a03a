// leaky_batch_norm: LeakyReLU and batch normalisation of its result, the end of every block of the network, in two passes
// over memory instead of four forward, and two instead of three backward.
//
//   Defined as a composition:
//   (1)  a = leaky_relu(x, slope)         written over x
//   (2)  y = batch_norm(a, gamma, beta)   with mean, rstd and running statistics of a
//   (3)  da, dgamma, dbeta from dy as batch_norm has them;   dx = leaky_relu_backward(slope, a, da)
//   and in eval, (2) by the running statistics.
//
// Shapes   x, y, dy, dx (N,D,H,W,C), all others (1,1,1,1,C). dx may be dy.
// Saved    a, mean, rstd.
// Numerics as batch_norm and leaky_relu: bitwise equal to their composition on the same backend.
// Cost     forward reads and writes x, reads a, writes y; backward reads a and dy twice and writes dx.
#pragma once
#include "kernels/batch_norm.h"

namespace fringe {

template <class T>
using LeakyBatchNormForward = void(Stream&, const BatchNormParams<T>&, T slope, View<T> x, ConstView<T> gamma,
                                   ConstView<T> beta, View<T> running_mean, View<T> running_var, View<T> mean, View<T> rstd,
                                   View<T> y);
/// x is left as it is; y may be x.
template <class T>
using LeakyBatchNormForwardEval = void(Stream&, const BatchNormParams<T>&, T slope, ConstView<T> x, ConstView<T> gamma,
                                       ConstView<T> beta, ConstView<T> running_mean, ConstView<T> running_var, View<T> y);
template <class T>
using LeakyBatchNormBackward = void(Stream&, T slope, ConstView<T> a, ConstView<T> gamma, ConstView<T> mean,
                                    ConstView<T> rstd, ConstView<T> dy, View<T> dx, View<T> dgamma, View<T> dbeta);

namespace reference {
template <class T>
LeakyBatchNormForward<T> leaky_batch_norm_forward;
template <class T>
LeakyBatchNormForwardEval<T> leaky_batch_norm_forward_eval;
template <class T>
LeakyBatchNormBackward<T> leaky_batch_norm_backward;
}  // namespace reference
namespace cpu {
LeakyBatchNormForward<float> leaky_batch_norm_forward;
LeakyBatchNormForwardEval<float> leaky_batch_norm_forward_eval;
LeakyBatchNormBackward<float> leaky_batch_norm_backward;
}  // namespace cpu
namespace cuda {
LeakyBatchNormForward<float> leaky_batch_norm_forward;
LeakyBatchNormForwardEval<float> leaky_batch_norm_forward_eval;
LeakyBatchNormBackward<float> leaky_batch_norm_backward;
}  // namespace cuda

}  // namespace fringe

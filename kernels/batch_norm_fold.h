// batch_norm_fold: batch normalisation as three numbers per channel, which the next operation applies while it reads.
//
//   From the statistics of y that the kernel that made y has left (fused_conv3d.h), M = N*D*H*W values per channel:
//   (1)  rstd = 1 / sqrt(var + epsilon),   affine = (scale, centre, shift) = (gamma * rstd, mean, beta)
//        z = scale * (y - centre) + shift is batch_norm of y, and is never stored
//   (2)  running_mean += momentum * (mean - running_mean), running_var likewise with the unbiased variance var * M/(M-1)
//   In eval, (1) with the running statistics in place of mean and var.
//   Backward. The users of z leave daffine, the derivatives of the loss by the three numbers with y held fixed:
//   dscale = sum dz * (y - centre), dcentre = -scale * sum dz, dshift = sum dz; then
//   (3)  dgamma = rstd * dscale,   dbeta = dshift
//   (4)  dy = a * dz + t * y + o  with  fold = (a, t, o):
//        a = scale,   t = -gamma * rstd^3 * dscale / M,   o = dcentre / M - t * mean
//        which is batch_norm's (5); the kernels that read dy form it while they load.
//
// Shapes   statistics (1,1,1,2,C): mean, biased variance; affine and daffine (1,1,1,3,C): scale, centre, shift;
//          fold (1,1,1,3,C): a, t, o; gamma, beta, running statistics and their gradients (1,1,1,1,C).
// Numerics a centre near the mean keeps dscale free of cancellation; (1) to (4) in double per channel.
// Cost     nothing beside the volume.
// Source   Ioffe, Szegedy, "Batch normalization", ICML 2015, arXiv:1502.03167.
#pragma once
#include "kernels/batch_norm.h"

namespace fringe {

/// `count`: M.
template <class T>
using BatchNormFoldForward = void(Stream&, const BatchNormParams<T>&, Index count, ConstView<T> statistics, ConstView<T> gamma,
                                  ConstView<T> beta, View<T> running_mean, View<T> running_var, View<T> affine);
template <class T>
using BatchNormFoldForwardEval = void(Stream&, const BatchNormParams<T>&, ConstView<T> gamma, ConstView<T> beta,
                                      ConstView<T> running_mean, ConstView<T> running_var, View<T> affine);
template <class T>
using BatchNormFoldBackward = void(Stream&, const BatchNormParams<T>&, Index count, ConstView<T> statistics, ConstView<T> gamma,
                                   ConstView<T> daffine, View<T> dgamma, View<T> dbeta, View<T> fold);

namespace batch_norm_fold {
constexpr Shape statistics_shape(Index channels) { return {1, 1, 1, 2, channels}; }
constexpr Shape affine_shape(Index channels) { return {1, 1, 1, 3, channels}; }
}  // namespace batch_norm_fold

namespace reference {
template <class T>
BatchNormFoldForward<T> batch_norm_fold_forward;
template <class T>
BatchNormFoldForwardEval<T> batch_norm_fold_forward_eval;
template <class T>
BatchNormFoldBackward<T> batch_norm_fold_backward;
}  // namespace reference
namespace cpu {
BatchNormFoldForward<float> batch_norm_fold_forward;
BatchNormFoldForwardEval<float> batch_norm_fold_forward_eval;
BatchNormFoldBackward<float> batch_norm_fold_backward;
}  // namespace cpu
namespace cuda {
BatchNormFoldForward<float> batch_norm_fold_forward;
BatchNormFoldForwardEval<float> batch_norm_fold_forward_eval;
BatchNormFoldBackward<float> batch_norm_fold_backward;
}  // namespace cuda

}  // namespace fringe

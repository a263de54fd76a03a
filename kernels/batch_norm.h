// batch_norm: normalisation of every channel over the batch and the volume.
//
//   M = N*D*H*W rows, r runs over them
//   (1)  mean[c] = sum_r x[r,c] / M,   var[c] = sum_r (x[r,c] - mean[c])^2 / M,   rstd = 1 / sqrt(var + epsilon)
//   (2)  y[r,c]  = gamma[c] * (x[r,c] - mean[c]) * rstd[c] + beta[c]
//   (3)  running_mean += momentum * (mean - running_mean), running_var likewise with the unbiased variance var * M/(M-1)
//   (4)  dbeta[c] = sum_r dy[r,c],   dgamma[c] = sum_r dy[r,c] * xhat[r,c],   xhat = (x - mean) * rstd
//   (5)  dx = gamma * rstd * (dy - dbeta / M - xhat * dgamma / M)
// In eval, mean and rstd come from the running statistics and are constants: dx = gamma * rstd * dy.
//
// Shapes   x, y, dy, dx (N,D,H,W,C), all others (1,1,1,1,C).
// Saved    x, mean, rstd.
// Numerics (1) sums squares of x minus the first row, in double over blocks of rows; the order of the sums is fixed by
//          the shape alone, so results do not depend on the number of threads.
// Cost     forward reads x twice and writes y; backward reads x and dy twice and writes dx.
// Source   Ioffe, Szegedy, "Batch normalization", ICML 2015, arXiv:1502.03167.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct BatchNormParams {
  T epsilon = T(1e-5);
  T momentum = T(0.1);  ///< weight of the new batch in the running statistics
};

template <class T>
using BatchNormForward = void(Stream&, const BatchNormParams<T>&, ConstView<T> x, ConstView<T> gamma, ConstView<T> beta,
                              View<T> running_mean, View<T> running_var, View<T> mean, View<T> rstd, View<T> y);
template <class T>
using BatchNormForwardEval = void(Stream&, const BatchNormParams<T>&, ConstView<T> x, ConstView<T> gamma,
                                  ConstView<T> beta, ConstView<T> running_mean, ConstView<T> running_var, View<T> y);
template <class T>
using BatchNormBackward = void(Stream&, ConstView<T> x, ConstView<T> gamma, ConstView<T> mean, ConstView<T> rstd,
                               ConstView<T> dy, View<T> dx, View<T> dgamma, View<T> dbeta);

namespace batch_norm {
Cost cost(const Shape& x, std::size_t element_bytes);  ///< forward
/// Throws unless x has at least two rows and every vector of `vectors` has x's channels.
void require_shapes(const Shape& x, const Shape& y, std::initializer_list<Shape> vectors);
}  // namespace batch_norm

namespace reference {
template <class T>
BatchNormForward<T> batch_norm_forward;
template <class T>
BatchNormForwardEval<T> batch_norm_forward_eval;
template <class T>
BatchNormBackward<T> batch_norm_backward;
}  // namespace reference
namespace cpu {
BatchNormForward<float> batch_norm_forward;
BatchNormForwardEval<float> batch_norm_forward_eval;
BatchNormBackward<float> batch_norm_backward;
}  // namespace cpu
namespace cuda {
BatchNormForward<float> batch_norm_forward;
BatchNormForwardEval<float> batch_norm_forward_eval;
BatchNormBackward<float> batch_norm_backward;
}  // namespace cuda

}  // namespace fringe

#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> leaky_batch_norm(const Variable<T>& x, T slope, const Variable<T>& gamma, const Variable<T>& beta,
                             Buffer<T>& running_mean, Buffer<T>& running_var) {
  auto& tape = x.tape();
  const Tensor<T> a = x.value(), y = tape.tensor(x.shape()), mean = tape.tensor(channel_vector(x.shape().c)),
                  rstd = tape.tensor(channel_vector(x.shape().c));
  tape.launch(&KernelTable<T>::leaky_batch_norm_forward, "leaky_batch_norm_forward", BatchNormParams<T>{}, slope, a.view(),
              gamma.value().read(), beta.value().read(), running_mean.value.view(), running_var.value.view(), mean.view(),
              rstd.view(), y.view());
  // saves: a, mean, rstd
  return tape.result(y, {x, gamma, beta}, [&tape, x, gamma, beta, a, mean, rstd, slope](const Tensor<T>& dy) {
    tape.accumulate(gamma, [&](View<T> dgamma) {
      tape.accumulate(beta, [&](View<T> dbeta) {
        tape.launch(&KernelTable<T>::leaky_batch_norm_backward, "leaky_batch_norm_backward", slope, a.read(),
                    gamma.value().read(), mean.read(), rstd.read(), dy.read(), dy.view(), dgamma, dbeta);
      });
    });
    tape.accumulate(x, dy);
  });
}

template <class T>
Variable<T> leaky_batch_norm_eval(const Variable<T>& x, T slope, const Variable<T>& gamma, const Variable<T>& beta,
                                  const Buffer<T>& running_mean, const Buffer<T>& running_var) {
  auto& tape = x.tape();
  const Tensor<T> y = x.value();
  tape.launch(&KernelTable<T>::leaky_batch_norm_forward_eval, "leaky_batch_norm_forward_eval", BatchNormParams<T>{}, slope,
              y.read(), gamma.value().read(), beta.value().read(), running_mean.value.read(), running_var.value.read(),
              y.view());
  return tape.constant(y);
}

template Variable<float> leaky_batch_norm(const Variable<float>&, float, const Variable<float>&, const Variable<float>&,
                                          Buffer<float>&, Buffer<float>&);
template Variable<float> leaky_batch_norm_eval(const Variable<float>&, float, const Variable<float>&, const Variable<float>&,
                                               const Buffer<float>&, const Buffer<float>&);
template Variable<double> leaky_batch_norm(const Variable<double>&, double, const Variable<double>&, const Variable<double>&,
                                           Buffer<double>&, Buffer<double>&);
template Variable<double> leaky_batch_norm_eval(const Variable<double>&, double, const Variable<double>&,
                                                const Variable<double>&, const Buffer<double>&, const Buffer<double>&);

}  // namespace fringe::autograd

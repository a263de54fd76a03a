#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, Buffer<T>& running_mean,
                       Buffer<T>& running_var) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(x.shape()), mean = tape.tensor(channel_vector(x.shape().c)),
                  rstd = tape.tensor(channel_vector(x.shape().c));
  tape.launch(&KernelTable<T>::batch_norm_forward, "batch_norm_forward", BatchNormParams<T>{}, x.value().read(),
              gamma.value().read(), beta.value().read(), running_mean.value.view(), running_var.value.view(),
              mean.view(), rstd.view(), y.view());
  // saves: x, mean, rstd
  return tape.result(y, {x, gamma, beta}, [&tape, x, gamma, beta, mean, rstd](const Tensor<T>& dy) {
    const Tensor<T> dx = tape.tensor(x.shape());
    tape.accumulate(gamma, [&](View<T> dgamma) {
      tape.accumulate(beta, [&](View<T> dbeta) {
        tape.launch(&KernelTable<T>::batch_norm_backward, "batch_norm_backward", x.value().read(), gamma.value().read(),
                    mean.read(), rstd.read(), dy.read(), dx.view(), dgamma, dbeta);
      });
    });
    tape.accumulate(x, dx);
  });
}

template <class T>
Variable<T> batch_norm_eval(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                            const Buffer<T>& running_mean, const Buffer<T>& running_var) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(x.shape());
  tape.launch(&KernelTable<T>::batch_norm_forward_eval, "batch_norm_forward_eval", BatchNormParams<T>{},
              x.value().read(), gamma.value().read(), beta.value().read(), running_mean.value.read(),
              running_var.value.read(), y.view());
  return tape.constant(y);
}

template Variable<float> batch_norm(const Variable<float>&, const Variable<float>&, const Variable<float>&, Buffer<float>&,
                           Buffer<float>&);
template Variable<float> batch_norm_eval(const Variable<float>&, const Variable<float>&, const Variable<float>&,
                                const Buffer<float>&, const Buffer<float>&);
template Variable<double> batch_norm(const Variable<double>&, const Variable<double>&, const Variable<double>&, Buffer<double>&,
                            Buffer<double>&);
template Variable<double> batch_norm_eval(const Variable<double>&, const Variable<double>&, const Variable<double>&,
                                 const Buffer<double>&, const Buffer<double>&);

}  // namespace fringe::autograd

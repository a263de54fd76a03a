#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> poisson_loss(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                         const PoissonLossParams& params) {
  auto& tape = p.tape();
  tape.require_here("the target of poisson_loss", target);
  tape.require_here("the weights of poisson_loss", weights);
  const Index samples = p.shape().n;
  const Tensor<T> stats = tape.tensor({samples, 1, 1, 1, 2}), loss = tape.tensor(sample_vector(samples));
  tape.launch(&KernelTable<T>::poisson_loss_forward, "poisson_loss_forward", params, p.value().read(), target.read(),
              weights.read(), stats.view(), loss.view());
  // saves: p, target, weights, stats
  return tape.result(loss, {p}, [&tape, params, p, target, weights, stats](const Tensor<T>& dloss) {
    tape.accumulate(p, [&](View<T> dp) {
      tape.launch(&KernelTable<T>::poisson_loss_backward, "poisson_loss_backward", params, p.value().read(),
                  target.read(), weights.read(), stats.read(), dloss.read(), dp);
    });
  });
}

template Variable<float> poisson_loss(const Variable<float>&, const Tensor<float>&, const Tensor<float>&,
                                      const PoissonLossParams&);
template Variable<double> poisson_loss(const Variable<double>&, const Tensor<double>&, const Tensor<double>&,
                                       const PoissonLossParams&);

}  // namespace fringe::autograd

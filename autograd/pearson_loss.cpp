#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> pearson_loss(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                         const PearsonLossParams& params) {
  auto& tape = p.tape();
  tape.require_here("the target of pearson_loss", target);
  tape.require_here("the weights of pearson_loss", weights);
  const Index samples = p.shape().n;
  const Tensor<T> stats = tape.tensor({samples, 1, 1, 1, 4}), loss = tape.tensor(sample_vector(samples));
  tape.launch(&KernelTable<T>::pearson_loss_forward, "pearson_loss_forward", params, p.value().read(), target.read(),
              weights.read(), stats.view(), loss.view());
  // saves: p, target, weights, stats, loss
  return tape.result(loss, {p}, [&tape, params, p, target, weights, stats, loss](const Tensor<T>& dloss) {
    tape.accumulate(p, [&](View<T> dp) {
      tape.launch(&KernelTable<T>::pearson_loss_backward, "pearson_loss_backward", params, p.value().read(),
                  target.read(), weights.read(), stats.read(), loss.read(), dloss.read(), dp);
    });
  });
}

template Variable<float> pearson_loss(const Variable<float>&, const Tensor<float>&, const Tensor<float>&,
                                      const PearsonLossParams&);
template Variable<double> pearson_loss(const Variable<double>&, const Tensor<double>&, const Tensor<double>&,
                                       const PearsonLossParams&);

}  // namespace fringe::autograd

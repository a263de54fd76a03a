#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> relative_l2(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                        const RelativeL2Params& params) {
  auto& tape = p.tape();
  tape.require_here("the target of relative_l2", target);
  tape.require_here("the weights of relative_l2", weights);
  const Index samples = p.shape().n;
  const Tensor<T> stats = tape.tensor({samples, 1, 1, 1, 2}), loss = tape.tensor(sample_vector(samples));
  tape.launch(&KernelTable<T>::relative_l2_forward, "relative_l2_forward", params, p.value().read(), target.read(),
              weights.read(), stats.view(), loss.view());
  // saves: p, target, weights, stats, loss
  return tape.result(loss, {p}, [&tape, params, p, target, weights, stats, loss](const Tensor<T>& dloss) {
    tape.accumulate(p, [&](View<T> dp) {
      tape.launch(&KernelTable<T>::relative_l2_backward, "relative_l2_backward", params, p.value().read(),
                  target.read(), weights.read(), stats.read(), loss.read(), dloss.read(), dp);
    });
  });
}

template Variable<float> relative_l2(const Variable<float>&, const Tensor<float>&, const Tensor<float>&,
                                     const RelativeL2Params&);
template Variable<double> relative_l2(const Variable<double>&, const Tensor<double>&, const Tensor<double>&,
                                      const RelativeL2Params&);

}  // namespace fringe::autograd

#include "autograd/ops.h"

namespace fringe::autograd {

template <class T>
Variable<T> log(const Variable<T>& x, T offset) {
  auto& tape = x.tape();
  const Tensor<T> y = tape.tensor(x.shape());
  tape.launch(&KernelTable<T>::log_forward, "log_forward", offset, x.value().read(), y.view());
  // saves: x
  return tape.result(y, {x}, [&tape, x, offset](const Tensor<T>& dy) {
    tape.accumulate(x, [&](View<T> dx) {
      tape.launch(&KernelTable<T>::log_backward, "log_backward", offset, x.value().read(), dy.read(), dx);
    });
  });
}

template <class T>
Variable<T> weighted_sum(const std::vector<T>& a, const std::vector<Variable<T>>& x) {
  require(!x.empty() && a.size() == x.size(), "weighted_sum: {} weights for {} terms", a.size(), x.size());
  const Tensor<T> weights = x.front().tape().tensor(channel_vector(static_cast<Index>(a.size())));
  weights.put(a);
  return weighted_sum(weights, x);
}

template <class T>
Variable<T> weighted_sum(const Tensor<T>& a, const std::vector<Variable<T>>& x) {
  require(!x.empty(), "weighted_sum: no terms");
  auto& tape = x.front().tape();
  tape.require_here("the weights of weighted_sum", a);
  const Tensor<T> y = tape.tensor(x.front().shape());
  std::vector<ConstView<T>> terms;
  for (const auto& v : x) terms.push_back(v.value().read());
  tape.launch(&KernelTable<T>::weighted_sum_forward, "weighted_sum_forward", a.read(),
              std::span<const ConstView<T>>(terms), y.view());
  // saves: a
  return tape.result(y, x, [&tape, a, x](const Tensor<T>& dy) {
    for (std::size_t k = 0; k < x.size(); ++k)
      tape.accumulate(x[k], [&](View<T> dx) {
        tape.launch(&KernelTable<T>::weighted_sum_backward, "weighted_sum_backward", a.read(), static_cast<Index>(k), dy.read(),
                    dx);
      });
  });
}

template Variable<float> log(const Variable<float>&, float);
template Variable<double> log(const Variable<double>&, double);
template Variable<float> weighted_sum(const Tensor<float>&, const std::vector<Variable<float>>&);
template Variable<double> weighted_sum(const Tensor<double>&, const std::vector<Variable<double>>&);
template Variable<float> weighted_sum(const std::vector<float>&, const std::vector<Variable<float>>&);
template Variable<double> weighted_sum(const std::vector<double>&, const std::vector<Variable<double>>&);

}  // namespace fringe::autograd

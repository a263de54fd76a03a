#include "autograd/tape.h"

#include <algorithm>

namespace fringe {

template <class T>
Variable<T> Tape<T>::constant(Tensor<T> value) {
  Node& node = nodes_.emplace_back();
  node.value = std::move(value);
  node.leaf = true;
  return {this, nodes_.size() - 1};
}

template <class T>
Variable<T> Tape<T>::parameter(Parameter<T>& parameter) {
  Node& node = nodes_.emplace_back();
  node.value = parameter.value;
  node.grad = parameter.grad;
  node.needs_grad = recording_;
  node.leaf = true;
  return {this, nodes_.size() - 1};
}

template <class T>
Variable<T> Tape<T>::result(Tensor<T> value, std::initializer_list<Variable<T>> inputs,
                            std::function<void(const Tensor<T>&)> backward) {
  const bool needs = recording_ && std::any_of(inputs.begin(), inputs.end(), [](const auto& v) { return v.needs_grad(); });
  Node& node = nodes_.emplace_back();
  node.value = std::move(value);
  node.needs_grad = needs;
  if (needs) node.backward = std::move(backward);
  return {this, nodes_.size() - 1};
}

template <class T>
void Tape<T>::accumulate(const Variable<T>& v, const std::function<void(View<T>)>& write) {
  Node& node = nodes_[v.index_];
  if (!node.needs_grad) return;
  if (!node.grad) node.grad = Tensor<T>(context_, node.value.shape());
  if (!node.has_grad) {
    write(node.grad.view());
    node.has_grad = true;
    return;
  }
  const Tensor<T> second(context_, node.value.shape());
  write(second.view());
  kernel(context_.kernels, &KernelTable<T>::add, "add")(context_.stream, node.grad.read(), second.read(),
                                                        node.grad.view());
}

template <class T>
void Tape<T>::backward(const Variable<T>& loss) {
  require(recording_, "backward: the tape was made for inference");
  Node& last = nodes_[loss.index_];
  if (!last.needs_grad) return;
  last.grad = Tensor<T>(context_, last.value.shape());
  last.grad.fill(T(1));
  last.has_grad = true;
  for (std::size_t i = loss.index_ + 1; i-- > 0;) {
    Node& node = nodes_[i];
    if (node.leaf || !node.backward) continue;
    if (node.has_grad) node.backward(node.grad);
    node.backward = nullptr;  // releases what the operation saved
    node.grad = {};
  }
}

template class Tape<float>;
template class Tape<double>;

}  // namespace fringe

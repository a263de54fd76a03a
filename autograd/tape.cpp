#include "autograd/tape.h"

#include <algorithm>
#include <utility>

namespace fringe {

template <class T>
auto Tape<T>::append(Tensor<T> value) -> Node& {
  Node& node = nodes_.emplace_back();
  node.value = std::move(value);
  node.part = context_.part();
  return node;
}

template <class T>
Variable<T> Tape<T>::constant(Tensor<T> value) {
  require_here("constant", value);
  append(std::move(value)).leaf = true;
  return {this, nodes_.size() - 1};
}

template <class T>
Variable<T> Tape<T>::parameter(Parameter<T>& parameter) {
  require_here(parameter.name.c_str(), parameter.value);
  Node& node = append(parameter.value);
  node.grad = parameter.grad;
  node.needs_grad = recording_;
  node.leaf = true;
  return {this, nodes_.size() - 1};
}

template <class T>
Variable<T> Tape<T>::result(Tensor<T> value, const std::vector<Variable<T>>& inputs,
                            std::function<void(const Tensor<T>&)> backward) {
  const bool needs = recording_ && std::any_of(inputs.begin(), inputs.end(), [](const auto& v) { return v.needs_grad(); });
  Node& node = append(std::move(value));
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
  add_gradient(v.index_, second);
}

template <class T>
void Tape<T>::accumulate(const Variable<T>& v, Tensor<T> dv) {
  Node& node = nodes_[v.index_];
  if (!node.needs_grad) return;
  if (node.has_grad || node.leaf) {
    if (node.has_grad) {
      add_gradient(v.index_, dv);
      return;
    }
    if (!node.grad) node.grad = Tensor<T>(context_, node.value.shape());
    node.grad.copy_from(dv);
    node.has_grad = true;
    return;
  }
  node.grad = std::move(dv);
  node.has_grad = true;
}

template <class T>
void Tape<T>::add_gradient(std::size_t index, const Tensor<T>& gradient) {
  Node& node = nodes_[index];
  if (context_.part() != 0 && node.part != context_.part()) {  // the one that is there may be another part's, still at work on it
    additions_.push_back({index, gradient});
    return;
  }
  launch(&KernelTable<T>::add, "add", node.grad.read(), gradient.read(), node.grad.view());
}

template <class T>
void Tape<T>::join(std::optional<Fork<T>>& fork) {
  fork->join();
  fork.reset();
  for (const Addition& a : std::exchange(additions_, {})) add_gradient(a.node, a.gradient);
}

template <class T>
void Tape<T>::side_by_side(const std::vector<std::function<void()>>& parts) {
  Fork<T> fork(context_);
  for (std::size_t k = 0; k < parts.size(); ++k) fork.run(k, parts[k]);
  fork.join();
}

template <class T>
void Tape<T>::backward(const Variable<T>& loss) {
  require(recording_, "backward: the tape was made for inference");
  Node& last = nodes_[loss.index_];
  if (!last.needs_grad) return;
  last.grad = Tensor<T>(context_, last.value.shape());
  last.grad.fill(T(1));
  last.has_grad = true;
  std::optional<Fork<T>> fork;
  for (std::size_t i = loss.index_ + 1; i-- > 0;) {
    Node& node = nodes_[i];
    if (node.leaf || !node.backward) continue;
    if (node.part == 0 && fork) join(fork);
    if (node.part != 0 && !fork) fork.emplace(context_);
    const auto differentiate = [&node] {
      if (node.has_grad) node.backward(node.grad);
      node.backward = nullptr;  // releases what the operation saved
      node.grad = {};
    };
    fork ? fork->run(node.part - 1, differentiate) : differentiate();
  }
  if (fork) join(fork);
}

template class Tape<float>;
template class Tape<double>;

}  // namespace fringe

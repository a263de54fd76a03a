// Reverse-mode differentiation on one linear tape.
//
// Operations append a node in the order they run; `backward` walks the tape from its end and calls each node's closure,
// which reads the gradient of its output and writes those of its inputs. What a closure captures is what the operation
// saves; it is released as soon as it has run, so buffers return to the pool on the way.
//
// Gradients: every kernel overwrites. The first gradient that reaches a value is written into place; when a value is
// used more than once the tape has the later ones written beside and adds them (docs/adr).
//
// Parts that need nothing of each other may go side by side on a device, forward and backward (docs/adr/0013-side-by-side.md).
#pragma once
#include <deque>
#include <functional>
#include <optional>
#include <vector>

#include "engine/fork.h"
#include "engine/parameter.h"

namespace fringe {

template <class T>
class Tape;

/// A value on a tape. Cheap to copy; valid until the tape is cleared.
template <class T>
class Variable {
 public:
  Variable() = default;
  const Tensor<T>& value() const;
  const Shape& shape() const { return value().shape(); }
  bool needs_grad() const;
  Tape<T>& tape() const { return *tape_; }
  bool operator==(const Variable&) const = default;

 private:
  friend class Tape<T>;
  Variable(Tape<T>* tape, std::size_t index) : tape_(tape), index_(index) {}
  Tape<T>* tape_ = nullptr;
  std::size_t index_ = 0;
};

template <class T>
class Tape {
 public:
  /// With recording off (inference) nothing is saved and intermediate values are freed as soon as they are used.
  explicit Tape(Context<T>& context, bool recording = true) : context_(context), recording_(recording) {}
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  Context<T>& context() { return context_; }
  bool recording() const { return recording_; }
  Tensor<T> tensor(Shape shape) { return {context_, shape}; }
  /// Throws Error unless the context's kernels can use the tensor: it could lie in the memory of another device.
  void require_here(const char* name, const Tensor<T>& tensor) const {
    if (!tensor.lies_on(context_.device())) [[unlikely]]
      fail("tape: {} of shape {} does not lie on device '{}'; to_device() makes a copy there", name, tensor.shape().str(),
           context_.device().name);
  }

  /// A value without gradient.
  Variable<T> constant(Tensor<T> value);
  /// A learned value: its gradient is written to parameter.grad.
  Variable<T> parameter(Parameter<T>& parameter);
  /// The result of an operation on `inputs`; `backward(dy)` is kept only when one of them needs a gradient.
  Variable<T> result(Tensor<T> value, const std::vector<Variable<T>>& inputs,
                     std::function<void(const Tensor<T>& dy)> backward);

  /// Hands `write` the place for the gradient of `v`, when v needs one: to be called from a backward closure.
  void accumulate(const Variable<T>& v, const std::function<void(View<T> dv)>& write);

  /// The same with a gradient that is there already: the first one is taken as it is, without a copy.
  void accumulate(const Variable<T>& v, Tensor<T> dv);

  /// Runs the kernel in `slot`: launch(&KernelTable<T>::add, "add", a, b, y).
  template <class F, class... Args>
  void launch(F* KernelTable<T>::* slot, const char* name, Args&&... args) {
    context_.launch(slot, name, std::forward<Args>(args)...);
  }

  /// Runs parts that need nothing of each other, but what was there before, and whose operations use nothing else: side by side
  /// where the device can do that (engine/fork.h), and so does backward; elsewhere one after another.
  void side_by_side(const std::vector<std::function<void()>>& parts);

  /// Differentiates the scalar (or, for a sum over samples, vector) `loss`: dloss = 1.
  void backward(const Variable<T>& loss);
  /// The gradient that reached v; empty when none did. Valid after backward for leaves, within it for others.
  const Tensor<T>& grad(const Variable<T>& v) const { return nodes_[v.index_].grad; }

  /// Forgets all values; variables become invalid, buffers return to the pool.
  void clear() {
    nodes_.clear();
    additions_.clear();
  }

 private:
  friend class Variable<T>;
  struct Node {
    Tensor<T> value;
    Tensor<T> grad;
    bool needs_grad = false;
    bool has_grad = false;  ///< grad holds a gradient already
    bool leaf = false;
    std::size_t part = 0;  ///< of a fork, counted from 1; 0: no part
    std::function<void(const Tensor<T>&)> backward;
  };
  /// A gradient that has been written beside the one that is there.
  struct Addition {
    std::size_t node;
    Tensor<T> gradient;
  };
  Node& append(Tensor<T> value);
  void add_gradient(std::size_t node, const Tensor<T>& gradient);
  void join(std::optional<Fork<T>>& fork);

  Context<T>& context_;
  bool recording_;
  std::deque<Node> nodes_;
  std::vector<Addition> additions_;  ///< to values that several parts use: when these have met
};

template <class T>
const Tensor<T>& Variable<T>::value() const {
  return tape_->nodes_[index_].value;
}
template <class T>
bool Variable<T>::needs_grad() const {
  return tape_->nodes_[index_].needs_grad;
}

}  // namespace fringe

// A dense array that owns its memory, shared by copies.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <vector>

#include "engine/context.h"
#include "kernels/view.h"

namespace fringe {

/// Copies share the buffer; the last one returns it to the pool. Contents are uninitialised.
template <class T>
class Tensor {
 public:
  Tensor() = default;
  Tensor(const std::shared_ptr<BufferPool>& pool, Shape shape) : shape_(shape) {
    const auto bytes = static_cast<std::size_t>(shape.size()) * sizeof(T);
    auto* memory = reinterpret_cast<T*>(pool->take(bytes));
    buffer_ = std::shared_ptr<T>(memory, [pool, bytes](T* p) { pool->give_back(reinterpret_cast<std::byte*>(p), bytes); });
  }
  template <class C>
  Tensor(Context<C>& context, Shape shape) : Tensor(context.pool, shape) {}

  explicit operator bool() const { return buffer_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  T* data() const { return buffer_.get(); }
  View<T> view() const { return {buffer_.get(), buffer_ ? shape_ : Shape{}}; }
  ConstView<T> read() const { return {buffer_.get(), buffer_ ? shape_ : Shape{}}; }
  std::span<T> span() const { return {buffer_.get(), static_cast<std::size_t>(size())}; }
  T& operator[](Index i) const { return buffer_.get()[i]; }

  /// The same buffer under another shape of equal size.
  Tensor reshaped(Shape shape) const {
    require(shape.size() == shape_.size(), "reshape: {} has another size than {}", shape.str(), shape_.str());
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }

  void fill(T value) const { std::fill(data(), data() + size(), value); }
  void copy_from(const Tensor& other) const {
    require_shape("copy", "source", other.shape(), shape_);
    std::copy(other.data(), other.data() + size(), data());
  }

 private:
  std::shared_ptr<T> buffer_;
  Shape shape_;
};

}  // namespace fringe

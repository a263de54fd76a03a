// A dense array that owns its memory, shared by copies.
#pragma once
#include <algorithm>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "engine/context.h"
#include "kernels/view.h"

namespace fringe {

/// Copies share the buffer; the last one returns it to the pool. Contents are uninitialised.
///
/// A tensor lies where its pool's memory is: the host's or a device's. What the host program does element by element (data(),
/// [], span()) throws Error for a tensor on a device; to_host() and from_host() move values, and say so at the place where
/// it is done. The views are for kernels: they carry a plain pointer, of whatever memory it is.
template <class T>
class Tensor {
 public:
  Tensor() = default;
  Tensor(const std::shared_ptr<BufferPool>& pool, Shape shape)
      : shape_(shape), pool_(pool.get()), on_host_(pool->device().host_memory) {
    auto* memory = reinterpret_cast<T*>(pool->take(bytes()));
    buffer_ = std::shared_ptr<T>(
        memory, [pool, size = bytes()](T* p) { pool->give_back(reinterpret_cast<std::byte*>(p), size); });
  }
  template <class C>
  Tensor(Context<C>& context, Shape shape) : Tensor(context.pool, shape) {}

  explicit operator bool() const { return buffer_ != nullptr; }
  const Shape& shape() const { return shape_; }
  Index size() const { return shape_.size(); }
  View<T> view() const { return {buffer_.get(), buffer_ ? shape_ : Shape{}}; }
  ConstView<T> read() const { return {buffer_.get(), buffer_ ? shape_ : Shape{}}; }

  // ---- by the host program: tensors in host memory only
  bool on_host() const { return on_host_; }
  T* data() const {
    require_host();
    return buffer_.get();
  }
  std::span<T> span() const { return {data(), static_cast<std::size_t>(size())}; }
  T& operator[](Index i) const {
    require_host();
    return buffer_.get()[i];
  }

  // ---- wherever it lies
  /// Where kernels of `device` may use it: an empty tensor everywhere.
  bool lies_on(const Device& device) const { return !buffer_ || &pool_->device() == &device; }

  /// The same buffer under another shape of equal size.
  Tensor reshaped(Shape shape) const {
    require(shape.size() == shape_.size(), "reshape: {} has another size than {}", shape.str(), shape_.str());
    Tensor t = *this;
    t.shape_ = shape;
    return t;
  }

  void fill(T value) const {
    if (on_host_)
      std::fill(buffer_.get(), buffer_.get() + size(), value);
    else
      pool_->device().fill(pool_->queue(), on_device(), static_cast<float>(value), static_cast<std::size_t>(size()));
  }
  /// From a tensor in the same memory.
  void copy_from(const Tensor& other) const {
    require_shape("copy", "source", other.shape(), shape_);
    if (on_host_ && other.on_host_) {
      std::copy(other.data(), other.data() + size(), data());
      return;
    }
    require(other.lies_on(pool_->device()),
            "copy: one tensor is in host memory, the other on a device; to_host or from_host moves it");
    pool_->device().copy(pool_->queue(), buffer_.get(), other.buffer_.get(), bytes());
  }
  /// A few values (at most Device::few) that need not be kept until a device has read them, and for which nobody waits.
  void put(std::initializer_list<T> values) const { put(std::span<const T>(values.begin(), values.size())); }
  void put(std::span<const T> values) const {
    require_count("put", values.size());
    if (on_host_)
      std::copy(values.begin(), values.end(), buffer_.get());
    else
      pool_->device().put(pool_->queue(), on_device(), reinterpret_cast<const float*>(values.data()), values.size());
  }

  // ---- between host and device
  /// The values in host memory: this tensor, where it lies there; else a copy, for which the host waits.
  Tensor to_host() const {
    if (on_host_) return *this;
    Tensor t(pool_->host(), shape_);
    pool_->device().download(pool_->queue(), t.buffer_.get(), buffer_.get(), bytes());
    return t;
  }
  /// Sets all values, wherever the tensor lies; `values` may change on return.
  void from_host(std::span<const T> values) const {
    require_count("from_host", values.size());
    if (!buffer_) return;
    pool_->device().upload(pool_->queue(), buffer_.get(), values.data(), bytes());
  }

 private:
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(T); }
  void require_count(const char* what, std::size_t values) const {
    require(static_cast<Index>(values) == size(), "{}: {} values for a tensor of shape {}", what, values, shape_.str());
  }
  void require_host() const {
    if (!on_host_) [[unlikely]]
      fail("tensor: the host program cannot touch the memory of device '{}'; to_host() makes a copy", pool_->device().name);
  }
  float* on_device() const {
    if constexpr (std::is_same_v<T, float>)
      return buffer_.get();
    else
      fail("tensor: only floats are filled on a device");
  }

  std::shared_ptr<T> buffer_;
  Shape shape_;
  BufferPool* pool_ = nullptr;  ///< kept alive by the buffer
  bool on_host_ = true;
};

/// The values of a tensor in host memory where the context's kernels can use them: the tensor itself, where that is host
/// memory, else a copy.
template <class T, class C>
Tensor<T> to_device(Context<C>& context, const Tensor<T>& tensor) {
  if (tensor.lies_on(context.device())) return tensor;
  const Tensor<T> t(context, tensor.shape());
  t.from_host(tensor.span());
  return t;
}

}  // namespace fringe

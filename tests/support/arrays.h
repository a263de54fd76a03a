// Test arrays: owned, with canaries on both sides and poisoned contents.
#pragma once
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/view.h"

namespace fringe::test {

/// An array between two canary zones, filled with NaN: a kernel that writes outside it, or leaves an element unwritten,
/// is caught by `check_canaries` and by every comparison.
template <class T>
class Array {
 public:
  explicit Array(Shape shape) : shape_(shape), memory_(static_cast<std::size_t>(shape.size() + 2 * guard), canary()) {
    std::fill(begin(), end(), poison());
  }
  T* data() { return memory_.data() + guard; }
  const T* data() const { return memory_.data() + guard; }
  T* begin() { return data(); }
  T* end() { return data() + shape_.size(); }
  const Shape& shape() const { return shape_; }
  operator View<T>() { return {data(), shape_}; }
  operator ConstView<T>() const { return {data(), shape_}; }
  View<T> view() { return *this; }
  ConstView<T> view() const { return *this; }
  T& operator[](Index i) { return data()[i]; }
  const T& operator[](Index i) const { return data()[i]; }

  void check_canaries() const {
    for (Index i = 0; i < guard; ++i) {
      REQUIRE(memory_[static_cast<std::size_t>(i)] == canary());
      REQUIRE(memory_[memory_.size() - 1 - static_cast<std::size_t>(i)] == canary());
    }
  }

 private:
  static constexpr Index guard = 64;
  static constexpr T canary() { return std::is_floating_point_v<T> ? T(-12345.678) : T(0xA5); }
  static constexpr T poison() { return std::is_floating_point_v<T> ? std::numeric_limits<T>::quiet_NaN() : T(0xEE); }
  Shape shape_;
  std::vector<T> memory_;
};

/// Normal numbers of the given seed; the float and the double array of one seed hold the same (rounded) values.
template <class T>
Array<T> random_array(Shape shape, unsigned seed, double scale = 1) {
  Array<T> a(shape);
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal;
  for (auto& v : a) v = static_cast<T>(static_cast<float>(scale * normal(engine)));
  return a;
}

/// The same array in another precision.
template <class To, class From>
Array<To> cast(const Array<From>& a) {
  Array<To> b(a.shape());
  for (Index i = 0; i < a.shape().size(); ++i) b[i] = static_cast<To>(a[i]);
  return b;
}

/// Largest |a - b| divided by the largest |b|; NaN anywhere gives NaN, so compare with `<`.
template <class A, class B>
double relative_error(const Array<A>& a, const Array<B>& b) {
  REQUIRE(a.shape() == b.shape());
  double worst = 0, scale = 0;
  bool finite = true;
  for (Index i = 0; i < a.shape().size(); ++i) {
    const double x = static_cast<double>(a[i]), y = static_cast<double>(b[i]);
    finite = finite && std::isfinite(x) && std::isfinite(y);
    worst = std::max(worst, std::abs(x - y));
    scale = std::max(scale, std::abs(y));
  }
  if (!finite) return std::numeric_limits<double>::quiet_NaN();
  return worst / (scale > 0 ? scale : 1);
}

template <class T>
double dot(const Array<T>& a, const Array<T>& b) {
  double s = 0;
  for (Index i = 0; i < a.shape().size(); ++i) s += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return s;
}

}  // namespace fringe::test

// Shapes and views: how every kernel sees its arrays.
//
// All arrays are dense, five-dimensional and channels last: (N, D, H, W, C) for activations, (Kd, Kh, Kw, Ci, Co) for
// convolution weights (the same five numbers, read under other names), (1, 1, 1, 1, C) for vectors over channels and
// (N, 1, 1, 1, 1) for one number per sample. A complex field is an array with C = 2: real part, imaginary part.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "kernels/error.h"

namespace fringe {

using Index = std::int64_t;

struct Shape {
  Index n = 1, d = 1, h = 1, w = 1, c = 1;

  constexpr Index voxels() const { return d * h * w; }          ///< per sample, one channel
  constexpr Index per_sample() const { return voxels() * c; }   ///< elements of one sample
  constexpr Index rows() const { return n * voxels(); }         ///< vectors of channels
  constexpr Index size() const { return rows() * c; }
  constexpr bool operator==(const Shape&) const = default;

  constexpr Shape with_channels(Index channels) const { return {n, d, h, w, channels}; }
  std::string str() const { return fmt::format("({}, {}, {}, {}, {})", n, d, h, w, c); }
};

/// One value per channel.
constexpr Shape channel_vector(Index channels) { return {1, 1, 1, 1, channels}; }
/// One value per sample.
constexpr Shape sample_vector(Index samples) { return {samples, 1, 1, 1, 1}; }

/// A non-owning array; `View<const T>` (ConstView<T>) when it may not be written.
template <class T>
struct View {
  T* data = nullptr;
  Shape shape;

  View() = default;
  View(T* data_, Shape shape_) : data(data_), shape(shape_) {}
  operator View<const T>() const
    requires(!std::is_const_v<T>)
  {
    return {data, shape};
  }

  explicit operator bool() const { return data != nullptr; }  ///< optional arguments are empty views
  Index size() const { return shape.size(); }
  T& operator[](Index i) const { return data[i]; }
  T& operator()(Index n, Index d, Index h, Index w, Index c) const {
    return data[(((n * shape.d + d) * shape.h + h) * shape.w + w) * shape.c + c];
  }
};

template <class T>
using ConstView = View<const T>;

/// Throws unless the two shapes are equal.
inline void require_shape(const char* operation, const char* name, const Shape& found, const Shape& expected) {
  require(found == expected, "{}: {} has shape {}, expected {}", operation, name, found.str(), expected.str());
}

}  // namespace fringe

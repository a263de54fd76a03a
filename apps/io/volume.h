// A 3-D array that owns its voxels: what the file formats and the physics exchange.
#pragma once
#include <array>
#include <complex>
#include <cstdint>
#include <vector>

#include "kernels/view.h"

namespace fringe {

/// Axis lengths in the order of the array's axes: (D, H, W). For a rocking curve D is the frame number, H the detector
/// row (y), W the detector column (x).
using Extent = std::array<Index, 3>;

template <class T>
struct Volume {
  Extent extent{0, 0, 0};
  std::vector<T> data;  ///< row-major, W fastest

  Volume() = default;
  explicit Volume(Extent e, T value = T{}) : extent(e), data(static_cast<std::size_t>(e[0] * e[1] * e[2]), value) {}

  Index size() const { return extent[0] * extent[1] * extent[2]; }
  bool empty() const { return data.empty(); }
  T& operator()(Index d, Index h, Index w) { return data[static_cast<std::size_t>((d * extent[1] + h) * extent[2] + w)]; }
  const T& operator()(Index d, Index h, Index w) const {
    return data[static_cast<std::size_t>((d * extent[1] + h) * extent[2] + w)];
  }
};

using Complex = std::complex<float>;

}  // namespace fringe

// The CPU's convolution engine, behind conv3d, fused_conv3d and fused_separable_conv3d: what is convolved with what, how it is
// read, and what is done to the result while it is in cache.
#pragma once
#include "kernels/fused_conv3d.h"

namespace fringe::cpu {

/// Where the rows of an operand come from: an array as it is, a Reading, or a PendingGradient. `shape` is that of the array the
/// rows belong to: for an upsampled Reading the small one.
struct RowSource {
  Shape shape;
  const float* x = nullptr;            ///< the array; for a gradient dz
  const float* affine = nullptr;       ///< of a Reading: scale, centre, shift
  const float* y = nullptr;            ///< of a gradient; nullptr for the other kinds
  const float* fold = nullptr;
  const std::uint8_t* which = nullptr;
  float slope = 1;

  bool plain() const { return affine == nullptr && y == nullptr; }

  explicit RowSource(ConstView<float> v) : shape(v.shape), x(v.data) {}
  explicit RowSource(const Reading<float>& r) : shape(r.x.shape), x(r.x.data), affine(r.affine.data) {}
  explicit RowSource(const PendingGradient<float>& g)
      : shape(g.y.shape), x(g.dz.data), y(g.y.data), fold(g.fold.data), which(g.which.data), slope(g.slope) {
    if (!fold && !which && slope == 1) y = nullptr;  // dz itself
  }
};

/// What happens to a result before it leaves the cache.
struct Epilogue {
  float slope = 1;                  ///< LeakyReLU
  float* statistics = nullptr;      ///< mean and variance of the result
  const float* moment = nullptr;    ///< daffine: an array like the result whose products with it are summed,
  const float* affine = nullptr;    ///< about its centre,
  float* daffine = nullptr;         ///< to here
};

/// y = conv3d(x, w) + b. With `transposed`, the data gradient: x is the gradient, y what it is by.
void convolve(Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b, View<float> y,
              const Epilogue& epilogue);
void convolve_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);

// The same for 3x3x3 kernels over an array read upsampled: y and dy have twice the extents of x.
void convolve_upsampled(Stream& stream, const RowSource& x, ConstView<float> w, const float* b, View<float> y,
                        const Epilogue& epilogue);
void convolve_upsampled_data(Stream& stream, const RowSource& dy, ConstView<float> w, View<float> dx, const Epilogue& epilogue);
void convolve_upsampled_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);

}  // namespace fringe::cpu

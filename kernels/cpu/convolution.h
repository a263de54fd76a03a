// The CPU's convolution engine, behind conv3d, fused_conv3d and fused_separable_conv3d: what is convolved with what, how it is
// read, and what is done to the result while it is in cache. Direct, register blocked, over channels-last rows.
//
// Strategy. A row is one line of voxels along W with all its channels, so that for a fixed (kd, kh) the taps kw and the
// input channels together are one contiguous run of Kw*Ci floats beginning at voxel w of the zero-padded row:
//
//   y[w, co] += sum_{k < Kw*Ci} row[w*Ci + k] * weights[kd][kh][k][co]
//
// - a small matrix product. Rows outside the volume are left out of the sum, not multiplied by zero. Work is split into planes
// (n, tile of H, d), dealt to threads in contiguous runs.
//
// | kernels/cpu/                   | idea                                                                         | compiled |
// |--------------------------------|------------------------------------------------------------------------------|----------|
// | convolution_shape.h            | extents, the split into planes, scratch memory                               | once     |
// | convolution_rows               | input rows in a ring that stays in the L2 cache, prologues applied on the way | per set  |
// | convolution_product            | the micro-kernels of the product above                                       | per set  |
// | convolution_weight_product     | those of the weight gradient                                                 | per set  |
// | convolution_epilogue           | LeakyReLU and sums over a finished plane while it is in cache                | per set  |
// | convolution_planes.h           | the loop over planes                                                         | once     |
// | convolution_forward.cpp        | the convolution and its data gradient                                        | once     |
// | convolution_pairs.cpp          | the same for 8 output channels on vectors of 16                              | once     |
// | convolution_weights.cpp        | the weight gradient                                                          | once     |
// | convolution_upsampled.cpp      | all three for inputs read upsampled                                          | once     |
//
// "per set": once per instruction set, by Highway. These files hold loops over one row or block and are reached through
// function pointers, one call for at least some hundred products; what only decides which rows meet is compiled once.
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

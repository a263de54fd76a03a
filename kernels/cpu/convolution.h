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
// | convolution_tiles              | both in bfloat16, on x86's tile registers (AMX)                              | once     |
// | convolution_epilogue           | LeakyReLU and sums over a finished plane while it is in cache                | per set  |
// | convolution_planes.h           | the loop over planes                                                         | once     |
// | convolution_forward.cpp        | the convolution and its data gradient                                        | once     |
// | convolution_pairs.cpp          | the same for 8 output channels on vectors of 16                              | once     |
// | convolution_weights.cpp        | the weight gradient                                                          | once     |
// | convolution_tile_weights.cpp   | the weight gradient by tiles                                                 | once     |
// | convolution_winograd           | all three by Winograd's transform along W, where it is faster                | once     |
// | winograd_rows.cpp              | its transforms of rows                                                       | per set  |
// | convolution_winograd4          | all three by Winograd's transform along H and W, squares of 4x4 voxels       | once     |
// | winograd4_rows.cpp             | its transforms                                                               | per set  |
// | convolution_upsampled.cpp      | all three for inputs read upsampled                                          | once     |
// | convolution_line               | one kernel along one axis, a row at a time                                   | once     |
// | choices                        | where several of these can do it: the rule's, or the fastest one measured    | once     |
// | separable_pass.h               | the separable block's three convolutions in one pass, made of those          | once     |
//
// "per set": once per instruction set, by Highway. These files hold loops over one row or block and are reached through
// function pointers, one call for at least some hundred products; what only decides which rows meet is compiled once.
//
// In the stream's precision bfloat16 the factors of all products are rounded: rows when they are copied into the ring, weights
// when they are packed (where weights are summed first, their sums). With tile registers ring and packed weights are in
// bfloat16; on other machines they are the rounded numbers as floats, for the kernels of float32. Either way sums are in float.
#pragma once
#include "kernels/bfloat16.h"
#include "kernels/cpu/choices.h"
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
  const bfloat16* packed = nullptr;    ///< the array, where it is kept in bfloat16; x is nullptr then
  bool rounded = false;                ///< every number read is rounded to bfloat16

  /// The array itself is what is read.
  bool plain() const { return affine == nullptr && y == nullptr && packed == nullptr && !rounded; }

  explicit RowSource(ConstView<float> v) : shape(v.shape), x(v.data) {}
  RowSource(const bfloat16* values, const Shape& s) : shape(s), packed(values) {}
  explicit RowSource(const Reading<float>& r) : shape(r.x.shape), x(r.x.data), affine(r.affine.data) {}
  explicit RowSource(const PendingGradient<float>& g)
      : shape(g.y.shape), x(g.dz.data), y(g.y.data), fold(g.fold.data), which(g.which.data), slope(g.slope) {
    if (!fold && !which && slope == 1) y = nullptr;  // dz itself
  }
};

/// Where a result goes: to an array of floats or, by tiles only and without an epilogue, one kept in bfloat16.
struct Result {
  Shape shape;
  float* y = nullptr;
  bfloat16* packed = nullptr;

  Result(View<float> v) : shape(v.shape), y(v.data) {}
  Result(bfloat16* values, const Shape& s) : shape(s), packed(values) {}
  /// Whether it is larger than caches that one core can count on, so that it has left them before somebody reads it.
  bool past_cache() const { return shape.size() * Index(y ? sizeof(float) : sizeof(bfloat16)) >= Index{4} << 20; }
  /// The place `elements` further on.
  Result at(Index elements) const {
    Result r = *this;
    (y ? static_cast<void>(r.y += elements) : static_cast<void>(r.packed += elements));
    return r;
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
void convolve(Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b, const Result& y,
              const Epilogue& epilogue);
void convolve_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);
// Both by a certain algorithm: own (in bfloat16 by tiles, where there are some), general, floats, or winograd and winograd4 where they fit.
void convolve_by(Way algorithm, Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b,
                 const Result& y, const Epilogue& epilogue);
void convolve_weights_by(Way algorithm, Stream& stream, RowSource x, RowSource dy, View<float> dw, float* db);

// The same for 3x3x3 kernels over an array read upsampled: y and dy have twice the extents of x.
void convolve_upsampled(Stream& stream, const RowSource& x, ConstView<float> w, const float* b, View<float> y,
                        const Epilogue& epilogue);
void convolve_upsampled_data(Stream& stream, const RowSource& dy, ConstView<float> w, View<float> dx, const Epilogue& epilogue);
void convolve_upsampled_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);

// Weight gradients by tiles, where tiles_available().
void convolve_tile_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);
/// Both gradients of a kernel along W, which read dy (floats) once; dx without an epilogue.
void convolve_tile_gradients(Stream& stream, const RowSource& x, const RowSource& dy, ConstView<float> w, View<float> dw, float* db,
                             const Result& dx);
void convolve_upsampled_tile_weights(Stream& stream, const RowSource& x, const RowSource& dy, View<float> dw, float* db);

}  // namespace fringe::cpu

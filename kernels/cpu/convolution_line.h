// One kernel along one axis, row by row: what the separable block's one pass is made of. Which rows meet, and where they lie, is
// the caller's.
#pragma once
#include "kernels/cpu/convolution_planes.h"

namespace fringe::cpu {

enum class Axis { w, h, d };

/// y[r] = sum over taps j of rows r + j - K/2 times weights j, plus bias. Rows of one call: 1, or for eight output channels 2.
class LineConvolution {
 public:
  /// K taps along `axis` over an array of these extents.
  LineConvolution(const ConvShape& array, Axis axis, Index taps, Index ci, Index co);

  /// Of this many rows (planes where the axis is D) in one call the caller's range has to be a multiple.
  Index rows() const { return paired_ && axis_ != Axis::w ? 2 : 1; }
  /// Input rows that reach the rows of one call, the first K/2 before the first of them. Along W: the row alone.
  Index reach() const { return axis_ == Axis::w ? 1 : shape_.kh + rows() - 1; }

  Index weight_floats() const;
  void pack(Stream& stream, WeightSource source, const float* bias, float* memory);

  /// in[j]: reach() rows, nullptr outside the volume; along W from the beginning of the row's zeros on. second: the other row of
  /// two.
  void operator()(const float* const* in, float* first, float* second = nullptr) const;

 private:
  ConvShape shape_;  ///< as a kernel along H or W
  Axis axis_;
  bool paired_;
  BlockedProduct blocked_;
  RowProduct* pairs_;
  const float *weights_ = nullptr, *bias_ = nullptr;
};

}  // namespace fringe::cpu

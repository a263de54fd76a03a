// What the convolution kernels read: an array as it is, through the normalisation (and upsampling) before it, or as the
// gradient formed from that of the operation after it. Numbers (1) and (4) are those of kernels/fused_conv3d.h.
//
// An array as it is goes to shared memory by cp.async. One with an affine does, too, and every thread normalises the quads
// that it copied itself, when they have arrived and before the barrier that shows them to the others. A gradient is formed
// from ordinary loads of dz and y when its quad is asked for: it does not overlap with the products of the same warp.
#pragma once
#include "kernels/cuda/conv3d_tile.cuh"
#include "kernels/fused_conv3d.h"

namespace fringe::cuda {

/// Passed to kernels by value.
struct Operand {
  const float* x = nullptr;  ///< the array, or dz
  int channels = 0;
  bool aligned = false;           ///< quads of channels begin at multiples of 16 bytes
  bool upsampled = false;         ///< x has half the extents of the volume
  const float* affine = nullptr;  ///< scale, centre, shift
  const float* y = nullptr;       ///< there: x is dz of a pending gradient
  const float* fold = nullptr;
  const std::uint8_t* which = nullptr;  ///< there: dz has half the extents of y
  float slope = 1;

  static Operand of(ConstView<float> x);
  static Operand of(const Reading<float>& r);
  static Operand of(const PendingGradient<float>& g);

  __device__ __forceinline__ bool is_gradient() const { return y != nullptr; }
  __device__ __forceinline__ bool needs_half() const { return upsampled || which != nullptr; }

  /// Element (voxel, c) of (4) without the bounds; `half` as ConvTile::half.
  __device__ __forceinline__ float gradient(float dz, float of_y, int c) const {
    const float dy = fold == nullptr ? dz : fold[c] * dz + fold[channels + c] * of_y + fold[2 * channels + c];
    return of_y > 0 ? dy : slope * dy;
  }
  __device__ __forceinline__ float normalised(float v, int c) const {
    return affine == nullptr ? v : affine[c] * (v - affine[channels + c]) + affine[2 * channels + c];  // (1)
  }
  /// The value at a voxel inside the volume.
  __device__ __forceinline__ float value(int voxel, int half, int c) const {
    const Index at = static_cast<Index>(voxel) * channels + c;
    if (is_gradient()) {
      float dz = 0;
      if (which == nullptr)
        dz = x[at];
      else if (const Index pooled = static_cast<Index>(half >> 3) * channels + c; which[pooled] == (half & 7))
        dz = x[pooled];
      return gradient(dz, y[at], c);  // (4)
    }
    return normalised(upsampled ? x[static_cast<Index>(half >> 3) * channels + c] : x[at], c);
  }
  /// Four channels, zeros where they do not exist.
  __device__ __forceinline__ float4 quad(int voxel, int half, int c) const {
    if (aligned && !is_gradient()) {
      if (c >= channels) return make_float4(0, 0, 0, 0);
      const Index row = upsampled ? half >> 3 : voxel;
      const float4 v = *reinterpret_cast<const float4*>(x + row * channels + c);
      return make_float4(normalised(v.x, c), normalised(v.y, c + 1), normalised(v.z, c + 2), normalised(v.w, c + 3));
    }
    if (aligned && which == nullptr) {
      if (c >= channels) return make_float4(0, 0, 0, 0);
      const Index at = static_cast<Index>(voxel) * channels + c;
      const float4 a = *reinterpret_cast<const float4*>(x + at), b = *reinterpret_cast<const float4*>(y + at);
      return make_float4(gradient(a.x, b.x, c), gradient(a.y, b.y, c + 1), gradient(a.z, b.z, c + 2),
                         gradient(a.w, b.w, c + 3));
    }
    return make_float4(c < channels ? value(voxel, half, c) : 0.0F, c + 1 < channels ? value(voxel, half, c + 1) : 0.0F,
                       c + 2 < channels ? value(voxel, half, c + 2) : 0.0F,
                       c + 3 < channels ? value(voxel, half, c + 3) : 0.0F);
  }

  /// Brings a quad to shared memory, zeros when voxel < 0: at once, or in the background and then to be finished by the same
  /// thread with `arrived`.
  __device__ __forceinline__ void fetch(float4* to, int voxel, int half, int c) const {
    if (is_gradient()) {
      *to = voxel < 0 ? make_float4(0, 0, 0, 0) : quad(voxel, half, c);
      return;
    }
    const Index row = upsampled ? half >> 3 : voxel;
    copy_quad(to, voxel < 0 ? nullptr : x + row * channels, x, c, channels, aligned);
  }
  __device__ __forceinline__ void arrived(float4* quad, int voxel, int c) const {
    if (voxel < 0) return;
    float4 v = *quad;
    if (c < channels) v.x = normalised(v.x, c);
    if (c + 1 < channels) v.y = normalised(v.y, c + 1);
    if (c + 2 < channels) v.z = normalised(v.z, c + 2);
    if (c + 3 < channels) v.w = normalised(v.w, c + 3);
    *quad = v;
  }
};

/// (1) for four neighbouring channels from c on; those that do not exist stay what they are.
struct Normalisation {
  float scale[4], centre[4], shift[4];

  __device__ __forceinline__ Normalisation(const Operand& x, int c) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const bool there = c + i < x.channels;
      scale[i] = there ? x.affine[c + i] : 1.0F;
      centre[i] = there ? x.affine[x.channels + c + i] : 0.0F;
      shift[i] = there ? x.affine[2 * x.channels + c + i] : 0.0F;
    }
  }
  __device__ __forceinline__ float4 operator()(const float4& v) const {
    return make_float4(scale[0] * (v.x - centre[0]) + shift[0], scale[1] * (v.y - centre[1]) + shift[1],
                       scale[2] * (v.z - centre[2]) + shift[2], scale[3] * (v.w - centre[3]) + shift[3]);
  }
};

// ---- the two products, for conv3d and the fused operations -----------------------------------------------------------

/// y = leaky_relu(bias + sum over taps, slope) on `volume`; `transposed`: the data gradient's flipped kernel, channels of w
/// exchanged. `kernel` is the shape of w; bias may be null.
void convolve(Stream& stream, const Shape& volume, const Shape& kernel, const Operand& x, const float* w, const float* bias,
              float slope, bool transposed, View<float> y);
/// dx (and (6)) from the gradient by in(x) at full extents: `full` is dx itself unless x is upsampled.
void finish_data_gradient(Stream& stream, const Reading<float>& x, ConstView<float> full, View<float> dx, View<float> daffine);
/// db may be empty.
void weight_gradient(Stream& stream, const Shape& volume, const Operand& x, const Operand& dy, View<float> dw, View<float> db);

}  // namespace fringe::cuda

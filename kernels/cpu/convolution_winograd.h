// Winograd's minimal filtering along W, F(2,3): two neighbouring outputs of three taps by four products instead of six (Winograd
// 1980; Lavin and Gray 2016, arXiv:1509.09308). Along one axis only: the transforms subtract once, so that errors stay close to
// those of the direct product, and each transformed input row serves all Kd * Kh row taps.
//
//   u0 = x0 - x2, u1 = x1 + x2, u2 = x2 - x1, u3 = x1 - x3         of the four inputs around a pair, x1 and x2 its own
//   g0 = w0, g1 = (w0 + w1 + w2)/2, g2 = (w0 - w1 + w2)/2, g3 = w2
//   m_i = sum over row taps and channels of u_i g_i;   y0 = m0 + m1 + m2,   y1 = m1 - m2 - m3                         (1)
//   weights: v0 = dy0, v1 = dy0 + dy1, v2 = dy0 - dy1, v3 = -dy1;   s_i = sum over pairs of u_i v_i;
//            dw0 = s0 + (s1 + s2)/2,   dw1 = (s1 - s2)/2,   dw2 = (s1 + s2)/2 + s3                                      (2)
#pragma once
#include "kernels/cpu/convolution_planes.h"

namespace fringe::cpu {

/// Whether it can be done: three taps along W, pairs of voxels, channels in eights; and row taps that share a transformed row.
bool winograd_fits(const ConvShape& s);
/// Whether it is the faster way by rule: enough row taps, channels and pairs.
bool winograd_pays(const ConvShape& s);

/// (1), for what convolve() takes, in float32.
void convolve_winograd(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                       const Result& y, const Epilogue& e);
/// (2)
void convolve_winograd_weights(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, View<float> dw,
                               float* db);

// The transforms of a row, one after another: `pairs` pairs of `channels`, a multiple of 8. kernels/cpu/winograd_rows.cpp
/// row: padded by one voxel on each side. to: u0 of all pairs, then u1, u2, u3.
void winograd_inputs(const float* row, Index pairs, Index channels, float* to);
void winograd_gradients(const float* row, Index pairs, Index channels, float* to);
/// m: m0 of all pairs, then m1, m2, m3.
void winograd_outputs(const float* m, Index pairs, Index channels, float* row);

}  // namespace fringe::cpu

// Winograd's minimal filtering along H and W, F(4x4, 3x3): squares of 4x4 outputs by 36 products instead of 144, for every tap along D
// and every pair of channels (Winograd 1980; Lavin and Gray 2016, arXiv:1509.09308). Along each of both axes, with the points 0, +-a,
// +-b and infinity:
//
//   a = 2/3, b = 3/2, s = a^2 + b^2, ga = 1 / (2 a^2 (a^2 - b^2)), gb = 1 / (2 b^2 (b^2 - a^2))
//   inputs x0 .. x5, of which x1 .. x4 are the outputs' own:
//     u0 = x0 - s x2 + x4,   u1, u2 = (x4 - b^2 x2) +- a (x3 - b^2 x1),   u3, u4 = (x4 - a^2 x2) +- b (x3 - a^2 x1),   u5 = x1 - s x3 + x5
//   weights w0, w1, w2:
//     g0 = w0,   g1, g2 = ga (w0 +- a w1 + a^2 w2),   g3, g4 = gb (w0 +- b w1 + b^2 w2),   g5 = w2
//   m_ij = sum over taps along D and channels of u_ij g_ij;
//     y0 = m0 + (m1 + m2) + (m3 + m4),   y1 = a (m1 - m2) + b (m3 - m4),   y2 = a^2 (m1 + m2) + b^2 (m3 + m4),
//     y3 = a^3 (m1 - m2) + b^3 (m3 - m4) + m5                                                                                       (1)
//   weight gradient: v of the gradient by the transpose of what y is of m, s_ij = sum over squares of u_ij v_ij, dw of s by the
//   transpose of what g is of w                                                                                                     (2)
//
// The points decide about the error: it is 2 to 4 times smaller than with the usual 0, +-1, +-2, as no power of theirs is large and
// the products' sums are small; rounding a and b to float, once for all, is a part of it.
#pragma once
#include "kernels/cpu/convolution_planes.h"

namespace fringe::cpu {

/// Whether it can be done: three taps along H and W, squares of voxels, channels in eights.
bool winograd4_fits(const ConvShape& s);
/// Whether it is the faster way by rule: so many squares that the weights, four times those of the kernel, do not count.
bool winograd4_pays(const ConvShape& s);

/// (1), for what convolve() takes, in float32.
void convolve_winograd4(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                        const Result& y, const Epilogue& e);
/// (2)
void convolve_winograd4_weights(Stream& stream, const ConvShape& s, const RowSource& x, const RowSource& dy, View<float> dw,
                                float* db);

// The transforms; `channels` are multiples of 8. kernels/cpu/winograd4_rows.cpp
constexpr Index winograd4_points = 6, winograd4_parts = 36;
/// A row padded by one voxel on each side, along W: u0 of all `squares`, then u1 and so on.
void winograd4_inputs_along_w(const float* row, Index squares, Index channels, float* to);
/// Six rows of the above, 6 x `length` floats each, along H: part 6 i + j, `part` floats from each to the next.
void winograd4_inputs_along_h(const float* const* rows, Index length, float* to, Index part);
/// v of a row, and of four rows.
void winograd4_gradients_along_w(const float* row, Index squares, Index channels, float* to);
void winograd4_gradients_along_h(const float* const* rows, Index length, float* to, Index part);
/// m: `part` floats from part to part, `step` from square to square. y: four rows, `row` floats from each to the next, `stride` from
/// voxel to voxel.
void winograd4_outputs(const float* m, Index part, Index step, Index squares, Index channels, const float* bias, float* y, Index row,
                       Index stride);
/// w: 3 x 3 taps of `count` numbers, `tap` floats from each to the next. `count`: a multiple of a vector, or of 8.
void winograd4_weights(const float* w, Index tap, Index count, float* to, Index part);
/// dw (9 taps, `tap` floats from each to the next) of `count` numbers from the sums that `threads` threads have, `stride` floats apart.
void winograd4_weight_gradients(const float* sums, Index part, Index threads, Index stride, Index count, float* dw, Index tap);

}  // namespace fringe::cpu

// Convolutions with one channel on one side: the first layer (Ci = 1) and the heads (Co = 1) of the network.
//
// As matrices these have one row or column, so tensor cores have nothing to do; they are bound by memory, or by ordinary
// multiply-adds. Seen from the weights, (taps, C) in both cases, three maps serve all six kernels of conv3d:
//
//   expand     y[v, c]    = b[c] + sum_t s[v + t] w[t, c]           forward, Ci = 1;        data gradient, Co = 1 (flipped)
//   contract   s[v]       = b + sum_{t, c} x[v + t, c] w[t, c]      forward, Co = 1;        data gradient, Ci = 1 (flipped)
//   correlate  dw[t, c]   = sum_v s[v + t] g[v, c]                  weight gradient, Ci = 1;   or Co = 1, s = dy, g = x
//   (flipped)
//
// `flipped` exchanges tap t for its mirror image in w (or dw).
#pragma once
#include "kernels/cuda/conv3d_operand.cuh"

namespace fringe::cuda::single {

/// `kernel` is the shape of w; its taps are used. bias may be null; expand and contract end with a LeakyReLU.
void expand(Stream& stream, const Shape& kernel, const Operand& s, const float* w, const float* bias, float slope, bool flipped,
            View<float> y);
void contract(Stream& stream, const Shape& kernel, const Operand& x, const float* w, const float* bias, float slope,
              bool flipped, View<float> s);
void correlate(Stream& stream, const Shape& volume, const Shape& kernel, const Operand& s, const Operand& g, bool flipped,
               View<float> dw);

}  // namespace fringe::cuda::single

// Eight output channels and sixteen lanes: a vector holds two neighbouring output voxels. Both are fed by every broadcast
// input that reaches either, with weight zero where it reaches only one: K+1 products per pair along an axis of K taps
// instead of 2K half-filled ones.
#include "kernels/cpu/convolution_planes.h"

namespace fringe::cpu {
namespace {

constexpr Index co = 8, lanes = 16;

/// For each of the `row_taps` x `run` inputs that reach a pair, its weights for both voxels; then the bias of both.
/// plain_tap(t, k, voxel): the input's place in the weights of that voxel alone, or -1.
template <class PlainTap>
void pack_pairs(Stream& stream, const ConvShape& s, WeightSource source, const float* bias, Index row_taps, Index run,
                const PlainTap& plain_tap, float* packed) {
  float *packed_bias = packed + row_taps * run * lanes, *plain = packed_bias + lanes;
  pack_weights(stream, s, source, co, plain);
  for (Index t = 0; t < row_taps; ++t)
    for (Index k = 0; k < run; ++k) {
      const Index first = plain_tap(t, k, 0), second = plain_tap(t, k, 1);
      float* out = packed + (t * run + k) * lanes;
      for (Index o = 0; o < co; ++o) {
        out[o] = first >= 0 ? plain[first * co + o] : 0.0F;
        out[co + o] = second >= 0 ? plain[second * co + o] : 0.0F;
      }
    }
  for (Index o = 0; o < co; ++o) packed_bias[o] = packed_bias[co + o] = bias ? bias[o] : 0.0F;
}

/// Voxels w, w+1 of a row, for kernels with Kw > 1: Kd * Kh row taps, each a run of (Kw + 1) * Ci.
void pairs_along_w(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                   const Result& y, const Epilogue& e) {
  RowProduct* product = sixteen_product(2 * s.ci).row;
  const Index run = (s.kw + 1) * s.ci;
  const auto prepare = [&](float* packed) { pack_pairs_along_w(stream, s, source, bias, packed); };
  convolve_planes(stream, s, 1, x, y, e, pair_weight_floats(s), prepare,
                  [&](const InputRows<float>& rows, const float* packed, Index plane, Index h0, Index h1, const Result& out) {
                    RowTap<float> taps[max_row_taps];
                    for (Index h = h0; h < h1; ++h) {
                      rows.ahead(plane + s.kd / 2 + 1, h);
                      const int found = row_taps(s, rows, plane, h, taps);
                      product({s.w / 2, 2 * s.ci, run, out.y + (h - h0) * s.w * co, 2 * co, lanes}, taps, found, packed,
                              packed + pair_floats_along_w(s));
                    }
                  });
}

/// The voxels of rows h and h+1, for kernels 1 x Kh x 1: Kh + 1 row taps, each a run of Ci.
void pairs_along_h(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                   const Result& y, const Epilogue& e) {
  RowProduct* product = sixteen_product(s.ci).row;
  const auto prepare = [&](float* packed) { pack_pairs_along_h(stream, s, source, bias, packed); };
  convolve_planes(stream, s, 2, x, y, e, pair_weight_floats(s), prepare,
                  [&](const InputRows<float>& rows, const float* packed, Index plane, Index h0, Index h1, const Result& to) {
                    RowTap<float> taps[max_row_taps];
                    for (Index h = h0; h < h1; h += 2) {
                      float* out = to.y + (h - h0) * s.w * co;
                      int found = 0;
                      rows.ahead(plane + 1, h), rows.ahead(plane + 1, h + 1);
                      for (Index j = 0; j <= s.kh; ++j)
                        if (const float* row = rows.row(plane, h + j - s.kh / 2)) taps[found++] = {row, j};
                      product({s.w, s.ci, s.ci, out, co, co, out + s.w * co}, taps, found, packed,
                              packed + pair_floats_along_h(s));
                    }
                  });
}

}  // namespace

Index pair_floats_along_w(const ConvShape& s) { return s.kd * s.kh * (s.kw + 1) * s.ci * lanes; }
Index pair_floats_along_h(const ConvShape& s) { return (s.kh + 1) * s.ci * lanes; }
Index pair_weight_floats(const ConvShape& s) {
  return std::max(pair_floats_along_w(s), pair_floats_along_h(s)) + lanes + s.taps() * co;
}

void pack_pairs_along_w(Stream& stream, const ConvShape& s, WeightSource source, const float* bias, float* packed) {
  pack_pairs(stream, s, source, bias, s.kd * s.kh, (s.kw + 1) * s.ci,
             [&](Index t, Index k, int voxel) {
               if (voxel == 0) return k < s.run() ? t * s.run() + k : -1;
               return k >= s.ci ? t * s.run() + k - s.ci : -1;
             },
             packed);
}

void pack_pairs_along_h(Stream& stream, const ConvShape& s, WeightSource source, const float* bias, float* packed) {
  pack_pairs(stream, s, source, bias, s.kh + 1, s.ci,
             [&](Index t, Index k, int voxel) {
               const Index tap = t - voxel;
               return tap >= 0 && tap < s.kh ? tap * s.ci + k : -1;
             },
             packed);
}

namespace {

/// K x 1 x 1 is 1 x K x 1 on an array whose rows are whole planes.
ConvShape along_h(const ConvShape& s) {
  if (s.kw > 1 || s.kh > 1 || s.kd == 1) return s;
  return {s.n, 1, s.d, s.h * s.w, s.ci, s.co, 1, s.kd, 1};
}

}  // namespace

bool pairs_fit(const ConvShape& s) {
  if (s.co != co || sixteen_product(s.ci).row == nullptr) return false;
  if (s.kw > 1) return s.w % 2 == 0;
  const ConvShape flat = along_h(s);
  return flat.kd == 1 && flat.kh > 1 && flat.h % 2 == 0;
}

void convolve_pairs(Stream& stream, ConvShape s, const RowSource& x, WeightSource source, const float* bias, const Result& y,
                    const Epilogue& e) {
  if (s.kw > 1) return pairs_along_w(stream, s, x, source, bias, y, e);
  pairs_along_h(stream, along_h(s), x, source, bias, y, e);
}

}  // namespace fringe::cpu

#include "kernels/cpu/convolution_line.h"

namespace fringe::cpu {
namespace {

bool even(const ConvShape& s, Axis axis) { return (axis == Axis::w ? s.w : axis == Axis::h ? s.h : s.d) % 2 == 0; }

}  // namespace

LineConvolution::LineConvolution(const ConvShape& array, Axis axis, Index taps, Index ci, Index co)
    : shape_{array.n, array.d, array.h, array.w, ci, co, 1, axis == Axis::w ? 1 : taps, axis == Axis::w ? taps : 1},
      axis_(axis),
      blocked_(blocked_product(co, ci)),
      pairs_(sixteen_product(axis == Axis::w ? 2 * ci : ci).row) {
  // A kernel of one tap along W has nothing that two neighbours share.
  paired_ = co == paired_channels && pairs_ != nullptr && even(array, axis) && (axis != Axis::w || taps > 1);
}

Index LineConvolution::weight_floats() const {
  if (paired_) return pair_weight_floats(shape_);
  return (shape_.taps() + 1) * round_up(shape_.co, blocked_.block);
}

void LineConvolution::pack(Stream& stream, WeightSource source, const float* bias, float* memory) {
  weights_ = memory;
  if (paired_) {
    (axis_ == Axis::w ? pack_pairs_along_w : pack_pairs_along_h)(stream, shape_, source, bias, memory);
    bias_ = memory + (axis_ == Axis::w ? pair_floats_along_w(shape_) : pair_floats_along_h(shape_));
    return;
  }
  pack_weights(stream, shape_, source, blocked_.block, memory);
  const Index channels = round_up(shape_.co, blocked_.block);
  float* padded = memory + shape_.taps() * channels;
  std::fill_n(padded, channels, 0.0F);
  if (bias) std::copy(bias, bias + shape_.co, padded);
  bias_ = padded;
}

void LineConvolution::operator()(const float* const* in, float* first, float* second) const {
  const ConvShape& s = shape_;
  RowTap<float> taps[max_row_taps + 1];
  int count = 0;
  for (Index j = 0; j < reach(); ++j)
    if (in[j]) taps[count++] = {in[j], j};
  if (paired_ && axis_ == Axis::w)
    return pairs_({s.w / 2, 2 * s.ci, s.run() + s.ci, first, 2 * s.co, 2 * s.co}, taps, count, weights_, bias_);
  if (paired_) return pairs_({s.w, s.ci, s.ci, first, s.co, s.co, second}, taps, count, weights_, bias_);
  for (Index o = 0; o < s.co; o += blocked_.block)
    blocked_.row({s.w, s.ci, s.run(), first + o, s.co, std::min(blocked_.block, s.co - o)}, taps, count,
                 weights_ + o * s.taps(), bias_ + o);
}

}  // namespace fringe::cpu

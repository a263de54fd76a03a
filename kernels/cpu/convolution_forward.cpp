// The convolution itself, and its data gradient: the same with flipped and transposed weights.
#include "kernels/cpu/convolution_planes.h"

namespace fringe::cpu {

void pack_weights(Stream& stream, const ConvShape& s, WeightSource source, Index block, float* packed) {
  const Index blocks = (s.co + block - 1) / block, taps = s.kd * s.kh * s.kw;
  parallel_tasks(stream, blocks * taps, [&](Index task) {
    const Index b = task / taps, tap = task % taps;
    float* out = packed + (b * taps + tap) * s.ci * block;
    const Index valid = std::min(block, s.co - b * block);
    for (Index c = 0; c < s.ci; ++c, out += block) {
      if (!source.flipped) {
        const float* in = source.w + (tap * s.ci + c) * s.co + b * block;
        std::copy(in, in + valid, out);
      } else {  // the source has Ci and Co exchanged: here s.ci = Co of w, s.co = Ci of w
        const float* in = source.w + (taps - 1 - tap) * s.ci * s.co + c;
        for (Index o = 0; o < valid; ++o) out[o] = in[(b * block + o) * s.ci];
      }
      std::fill(out + valid, out + block, 0.0F);
    }
  });
}

namespace {

void convolve_blocked(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias, float* y,
                      const Epilogue& e) {
  const auto [block, product] = blocked_product(s.co, s.ci);
  const Index blocks = (s.co + block - 1) / block, block_weights = s.taps() * block;
  const Index weight_floats = round_up(blocks * block_weights, 16);
  const auto prepare = [&, block = block](float* packed) {
    pack_weights(stream, s, source, block, packed);
    std::fill(packed + weight_floats, packed + weight_floats + blocks * block, 0.0F);
    if (bias) std::copy(bias, bias + s.co, packed + weight_floats);
  };
  const auto rows_of_plane = [&, block = block, product = product](const InputRows& rows, const float* packed, Index plane,
                                                                   Index h0, Index h1, float* to) {
    RowTap taps[max_row_taps];
    for (Index b = 0; b < blocks; ++b)
      for (Index h = h0; h < h1; ++h) {
        const int count = row_taps(s, rows, plane, h, taps);
        float* out = to + (h - h0) * s.w * s.co + b * block;
        product({s.w, s.ci, s.run(), out, s.co, std::min(block, s.co - b * block)}, taps, count, packed + b * block_weights,
                packed + weight_floats + b * block);
      }
  };
  convolve_planes(stream, s, 1, x, y, e, weight_floats + blocks * block, prepare, rows_of_plane);
}

void convolve_to_one_channel(Stream& stream, const ConvShape& s, const RowSource& x, const float* w, float bias, float* y,
                             const Epilogue& e) {
  convolve_planes(stream, s, 1, x, y, e, 0, [](float*) {},
                  [&](const InputRows& rows, const float*, Index plane, Index h0, Index h1, float* out) {
                    RowTap taps[max_row_taps];
                    for (Index h = h0; h < h1; ++h) {
                      const int count = row_taps(s, rows, plane, h, taps);
                      single_product({s.w, s.ci, s.run(), out + (h - h0) * s.w, 1, 1}, taps, count, w, bias);
                    }
                  });
}

}  // namespace

void convolve(Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b, View<float> y,
              const Epilogue& epilogue) {
  const auto s = conv_shape(y.shape, w.shape, x.shape.c, y.shape.c);
  const WeightSource source{w.data, transposed};
  if (s.co == 1 && !transposed && s.ci >= 8) return convolve_to_one_channel(stream, s, x, w.data, b ? *b : 0, y.data, epilogue);
  if (convolve_pairs(stream, s, x, source, b, y.data, epilogue)) return;
  convolve_blocked(stream, s, x, source, b, y.data, epilogue);
}

}  // namespace fringe::cpu

// The convolution itself, and its data gradient: the same with flipped and transposed weights.
#include "kernels/cpu/convolution_planes.h"
#include "kernels/cpu/convolution_winograd.h"
#include "kernels/cpu/convolution_winograd4.h"

namespace fringe::cpu {

void weight_row(const ConvShape& s, WeightSource source, Index tap, Index c, Index first, Index count, float* to) {
  const Index valid = std::min(count, s.co - first);
  if (!source.flipped) {
    const float* in = source.w + (tap * s.ci + c) * s.co + first;
    std::copy(in, in + valid, to);
  } else {  // the source has Ci and Co exchanged: here s.ci = Co of w, s.co = Ci of w
    const float* in = source.w + (s.kd * s.kh * s.kw - 1 - tap) * s.ci * s.co + c;
    for (Index o = 0; o < valid; ++o) to[o] = in[(first + o) * s.ci];
  }
  for (Index o = 0; source.rounded && o < valid; ++o) to[o] = to_bfloat16(to[o]);
  std::fill(to + valid, to + count, 0.0F);
}

void pack_weights(Stream& stream, const ConvShape& s, WeightSource source, Index block, float* packed) {
  const Index blocks = (s.co + block - 1) / block, taps = s.kd * s.kh * s.kw;
  parallel_tasks(stream, blocks * taps, [&](Index task) {
    float* out = packed + task * s.ci * block;
    for (Index c = 0; c < s.ci; ++c) weight_row(s, source, task % taps, c, task / taps * block, block, out + c * block);
  });
}

namespace {

template <class E>
void convolve_blocked(Stream& stream, const ConvShape& s, const RowSource& x, WeightSource source, const float* bias,
                      const Result& y, const Epilogue& e) {
  const Product<E> product(s.co, s.ci, s.run(), s.w);
  const Index block = product.block(), blocks = (s.co + block - 1) / block, row_taps_ = s.kd * s.kh;
  const Index block_size = row_taps_ * product.tap_size(), weight_floats = floats_of<E>(blocks * block_size);
  const auto prepare = [&](float* memory) {
    parallel_tasks(stream, blocks * row_taps_, [&](Index task) {
      const Index b = task / row_taps_, tap = task % row_taps_;
      const auto numbers = [&](Index k, float* to) {
        weight_row(s, source, tap * s.kw + k / s.ci, k % s.ci, b * block, block, to);
      };
      product.pack_tap(numbers, reinterpret_cast<E*>(memory) + task * product.tap_size());
    });
    std::fill_n(memory + weight_floats, blocks * block, 0.0F);
    if (bias) std::copy(bias, bias + s.co, memory + weight_floats);
  };
  const auto rows_of_plane = [&](const InputRows<E>& rows, const float* memory, Index plane, Index h0, Index h1,
                                 const Result& to) {
    const E* packed = reinterpret_cast<const E*>(memory);
    RowTap<E> taps[max_row_taps];
    for (Index b = 0; b < blocks; ++b)
      for (Index h = h0; h < h1; ++h) {
        if (b == 0) rows.ahead(plane + s.kd / 2 + 1, h);
        const int count = row_taps(s, rows, plane, h, taps);
        product(s.w, s.ci, to.at((h - h0) * s.w * s.co + b * block), s.co, std::min(block, s.co - b * block), taps,
                count, packed + b * block_size, memory + weight_floats + b * block);
      }
  };
  convolve_planes<E, typename Product<E>::Scope>(stream, s, 1, x, y, e, product, weight_floats + blocks * block,
                                                 prepare, rows_of_plane);
}

bool to_one_channel(const ConvShape& s, WeightSource w) { return s.co == 1 && s.ci >= 8 && !w.flipped && !w.rounded; }
void convolve_to_one_channel(Stream& stream, const ConvShape& s, const RowSource& x, const float* w, float bias,
                             const Result& y, const Epilogue& e) {
  convolve_planes(
      stream, s, 1, x, y, e, 0, [](float*) {},
      [&](const InputRows<float>& rows, const float*, Index plane, Index h0, Index h1, const Result& out) {
        RowTap<float> taps[max_row_taps];
        for (Index h = h0; h < h1; ++h) {
          rows.ahead(plane + s.kd / 2 + 1, h);
          const int count = row_taps(s, rows, plane, h, taps);
          single_product({s.w, s.ci, s.run(), out.y + (h - h0) * s.w, 1, 1}, taps, count, w, bias);
        }
      });
}

}  // namespace

void convolve_by(Way algorithm, Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b,
                 const Result& y, const Epilogue& epilogue) {
  const auto s = conv_shape(y.shape, w.shape, x.shape.c, y.shape.c);
  WeightSource source{w.data, transposed};
  RowSource operand = x;
  if (stream.precision() == Precision::bfloat16) {
    if (algorithm == Way::own && tiles_available()) return convolve_blocked<bfloat16>(stream, s, x, source, b, y, epilogue);
    operand.rounded = source.rounded = true;
  }
  if (algorithm == Way::winograd4) return convolve_winograd4(stream, s, operand, source, b, y, epilogue);
  if (algorithm == Way::winograd) return convolve_winograd(stream, s, operand, source, b, y, epilogue);
  if (algorithm != Way::general) {
    if (to_one_channel(s, source)) return convolve_to_one_channel(stream, s, operand, w.data, b ? *b : 0, y, epilogue);
    if (pairs_fit(s)) return convolve_pairs(stream, s, operand, source, b, y, epilogue);
  }
  convolve_blocked<float>(stream, s, operand, source, b, y, epilogue);
}

void convolve(Stream& stream, const RowSource& x, ConstView<float> w, bool transposed, const float* b, const Result& y,
              const Epilogue& epilogue) {
  const auto s = conv_shape(y.shape, w.shape, x.shape.c, y.shape.c);
  const bool rounds = stream.precision() == Precision::bfloat16;
  Ways ways(rounds ? Way::own : winograd4_pays(s) ? Way::winograd4 : winograd_pays(s) ? Way::winograd : Way::own);
  if (x.packed == nullptr && y.packed == nullptr)  // what is packed only tiles read and write
    ways.or_else(Way::own, true)
        .or_else(Way::winograd, winograd_fits(s))
        .or_else(Way::winograd4, winograd4_fits(s))
        .or_else(Way::general, pairs_fit(s) || to_one_channel(s, {w.data, transposed, rounds}))
        .or_else(Way::floats, rounds && tiles_available());
  run_one_of(stream, transposed ? "conv3d_data" : "conv3d_forward", x.shape, w.shape, ways,
             [&](Way a) { convolve_by(a, stream, x, w, transposed, b, y, epilogue); });
}

}  // namespace fringe::cpu

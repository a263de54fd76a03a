// Strategy: large arrays in one pass (kernels/cpu/separable_pass.h), or as was measured. Others, and bfloat16: three convolutions by
// kernels/cpu/convolution.h, the normalisation in the prologue of the first, LeakyReLU and statistics in the epilogue of the
// last, the gradient's sums in the epilogue of the last data gradient. By tiles, what is between the convolutions is kept in
// bfloat16.
#include "kernels/fused_separable_conv3d.h"

#include "kernels/conv3d.h"
#include "kernels/cpu/choices.h"
#include "kernels/cpu/convolution.h"
#include "kernels/cpu/convolution_tiles.h"
#include "kernels/cpu/separable_pass.h"

namespace fringe::cpu {
namespace {

/// x itself, or where it is upsampled, the array as it is read.
Reading<float> readable(const Reading<float>& x, View<float> full) {
  if (!x.upsampled) return x;
  reference::read_through<float>(x, full);
  return {full, {}, false};
}

/// An array between two convolutions: as floats, or packed (bfloat16 is what lies there then, whatever the view's
/// type).
class Between {
 public:
  Between(const char* name, const float* data, const Shape& found, const Shape& middle)
      : data_(const_cast<float*>(data)), shape_(middle), packed_(found != middle) {
    if (!packed_) return;
    require_shape("fused_separable_conv3d", name, found, fused_separable_conv3d::packed_shape(middle));
    require(tiles_available(), "fused_separable_conv3d: {} is packed, which needs a machine with tile registers (AMX)",
            name);
  }
  bool packed() const { return packed_; }
  RowSource source() const { return packed_ ? RowSource(pairs(), shape_) : RowSource(ConstView<float>(data_, shape_)); }
  Result result() const { return packed_ ? Result(pairs(), shape_) : Result(View<float>(data_, shape_)); }

 private:
  bfloat16* pairs() const { return reinterpret_cast<bfloat16*>(data_); }
  float* data_;
  Shape shape_;
  bool packed_;
};

bool can_be_one_pass(const Stream& stream, bool upsampled) { return !upsampled && stream.precision() != Precision::bfloat16; }

/// one_pass() where it can be, or three_passes(), whichever is chosen.
template <class OnePass, class ThreePasses>
void run_either(Stream& stream, const char* operation, const Reading<float>& x, const SeparableWeights<ConstView<float>>& k,
                const OnePass& one_pass, const ThreePasses& three_passes) {
  const Shape full = x.shape(), kernel{k.wd.shape.n, k.wh.shape.d, k.ww.shape.h, k.wd.shape.w, k.ww.shape.c};
  const bool can = can_be_one_pass(stream, x.upsampled);
  const bool pays = can && separable_in_one_pass(stream, full, kernel.w, k.bd.shape.c, kernel.c);
  const auto ways = Ways(pays ? Way::one_pass : Way::own).or_else(Way::own, true).or_else(Way::one_pass, can);
  const std::size_t before = stream.workspace_bytes();
  Way ran = Way::own;
  run_one_of(stream, operation, full, kernel, ways, [&](Way a) {
    ran = a;
    a == Way::one_pass ? one_pass() : three_passes();
  });
  if (ran == Way::one_pass && stream.workspace_bytes() > before) stream.release_workspace();  // the loser's
}

void forward_in_three(Stream& stream, float slope, const Reading<float>& x, const SeparableWeights<ConstView<float>>& k,
                      View<float> u, View<float> v, View<float> y, View<float> statistics) {
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  const bool packs = stream.precision() == Precision::bfloat16 && tiles_available();
  const Shape kept = packs ? fused_separable_conv3d::packed_shape(middle) : middle;
  const Index full_size = x.upsampled ? full.size() : 0;
  float* memory = stream.workspace<float>(full_size + (u ? 0 : kept.size()) + (v ? 0 : kept.size()));
  if (!v) v = {memory + full_size, kept};
  if (!u) u = {memory + full_size + kept.size(), kept};
  const Between between_u("u", u.data, u.shape, middle), between_v("v", v.data, v.shape, middle);
  convolve(stream, RowSource(readable(x, {memory, full})), k.wd, false, k.bd.data, between_u.result(), {});  // (1)
  convolve(stream, between_u.source(), k.wh, false, k.bh.data, between_v.result(), {});
  convolve(stream, between_v.source(), k.ww, false, k.bw.data, y, {.slope = slope, .statistics = statistics.data});
}

void backward_in_three(Stream& stream, const Reading<float>& x, ConstView<float> u, ConstView<float> v,
                       const SeparableWeights<ConstView<float>>& k, const PendingGradient<float>& g, View<float> dv, View<float> du,
                       View<float> dx, View<float> daffine, const Epilogue& epilogue, const SeparableWeights<View<float>>& d) {
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  const Index full_size = x.upsampled ? full.size() : 0;
  const Index size = u.shape.size();
  float* memory = stream.workspace<float>(full_size + (v ? 0 : size) + (dv ? 0 : size) + (du ? 0 : size));
  float* free = memory + full_size;
  const auto place = [&] { return View<float>(std::exchange(free, free + size), u.shape); };
  const ConstView<float> all_v = v ? v : ConstView<float>(place());
  if (!dv) dv = place();
  if (!du) du = place();
  const Between bu("u", u.data, u.shape, middle), bv("v", all_v.data, all_v.shape, middle);
  if (!v) convolve(stream, bu.source(), k.wh, false, k.bh.data, bv.result(), {});
  const Between bdv("dv", dv.data, dv.shape, middle), bdu("du", du.data, du.shape, middle);
  if (bv.packed() && bdv.packed()) {  // (2)
    convolve_tile_gradients(stream, bv.source(), RowSource(g), k.ww, d.ww, d.bw.data, bdv.result());
  } else {
    convolve_weights(stream, bv.source(), RowSource(g), d.ww, d.bw.data);
    convolve(stream, RowSource(g), k.ww, true, nullptr, bdv.result(), {});
  }
  convolve_weights(stream, bu.source(), bdv.source(), d.wh, d.bh.data);
  convolve(stream, bdv.source(), k.wh, true, nullptr, bdu.result(), {});
  const View<float> work(x.upsampled ? memory : nullptr, full);
  convolve_weights(stream, RowSource(readable(x, work)), bdu.source(), d.wd, d.bd.data);
  if (!dx) return;
  if (x.upsampled) {
    convolve(stream, bdu.source(), k.wd, true, nullptr, work, {});
    return reference::finish_data_gradient<float>(x, work, dx, daffine);
  }
  convolve(stream, bdu.source(), k.wd, true, nullptr, dx, epilogue);
}

}  // namespace

bool packs_bfloat16() { return tiles_available(); }

bool separable_keeps_all(const Stream& stream, const Shape& full, bool upsampled, Index ci, Index middle, Index co) {
  return upsampled || !separable_in_one_pass(stream, full, ci, middle, co);
}

void fused_separable_conv3d_forward(Stream& stream, float slope, const Reading<float>& x,
                                    const SeparableWeights<ConstView<float>>& k, View<float> u, View<float> v,
                                    View<float> y, View<float> statistics) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  if (statistics) fused_conv3d::require_statistics("fused_separable_conv3d", statistics.shape, y.shape.c);
  const Shape full = x.shape(), middle = full.with_channels(k.bd.shape.c);
  conv3d::require_forward(full, k.wd.shape, &k.bd.shape, middle);
  conv3d::require_forward(middle, k.wh.shape, &k.bh.shape, middle);
  conv3d::require_forward(middle, k.ww.shape, &k.bw.shape, y.shape);
  run_either(
      stream, u ? "separable_forward" : "separable_inference", x, k,
      [&] { separable_forward(stream, slope, RowSource(x), k, u, v, y, statistics.data); },
      [&] { forward_in_three(stream, slope, x, k, u, v, y, statistics); });
}

void fused_separable_conv3d_backward(Stream& stream, const Reading<float>& x, ConstView<float> u, ConstView<float> v,
                                     const SeparableWeights<ConstView<float>>& k, const PendingGradient<float>& g,
                                     View<float> dv, View<float> du, View<float> dx, View<float> daffine,
                                     const SeparableWeights<View<float>>& d) {
  separable_conv3d::require_kernels(k.wd.shape, k.wh.shape, k.ww.shape);
  fused_conv3d::require_operand("fused_separable_conv3d", x);
  fused_conv3d::require_operand("fused_separable_conv3d", g);
  const Shape middle = x.shape().with_channels(k.bd.shape.c);
  conv3d::require_backward_weights(middle, g.y.shape, d.ww.shape, &d.bw.shape);
  conv3d::require_backward_weights(middle, middle, d.wh.shape, &d.bh.shape);
  conv3d::require_backward_weights(x.shape(), middle, d.wd.shape, &d.bd.shape);
  if (dx) require_shape("fused_separable_conv3d", "dx", dx.shape, x.x.shape);
  if (daffine) require_shape("fused_separable_conv3d", "daffine", daffine.shape, x.affine.shape);
  Epilogue epilogue;
  if (daffine) epilogue = {.moment = x.x.data, .affine = x.affine.data, .daffine = daffine.data};
  if (can_be_one_pass(stream, x.upsampled)) {  // packed arrays belong to bfloat16
    require_shape("fused_separable_conv3d", "u", u.shape, middle);
    if (v) require_shape("fused_separable_conv3d", "v", v.shape, middle);
  }
  run_either(
      stream, "separable_backward", x, k,
      [&] { separable_backward(stream, RowSource(x), u, v, k, RowSource(g), dx, epilogue, d); },
      [&] { backward_in_three(stream, x, u, v, k, g, dv, du, dx, daffine, epilogue, d); });
}

}  // namespace fringe::cpu

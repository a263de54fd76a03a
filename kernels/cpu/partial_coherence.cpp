// Strategy: planes of constant d are blurred along W and H in one task, out of cache; then, along D, runs of neighbouring voxels.
// Every sum is over the whole axis, in its order, so results do not depend on the number of threads. A line along W lies twice
// in a row in a small buffer, so that its vectors need no wrapping.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/partial_coherence.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <vector>

#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/partial_coherence.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls body<vectors>(tag, i) over [0, n): four vectors from element i on, then one, then single elements.
template <class Body>
void over_blocks(Index n, const Body& body) {
  const hn::ScalableTag<float> wide;
  const auto lanes = static_cast<Index>(hn::Lanes(wide));
  Index i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) body.template operator()<4>(wide, i);
  for (; i + lanes <= n; i += lanes) body.template operator()<1>(wide, i);
  for (; i < n; ++i) body.template operator()<1>(hn::CappedTag<float, 1>(), i);
}

/// out[i] = sum_j k[(row - j) mod n] x[j * pitch + i] for 0 <= i < count: one row of a convolution along an axis whose voxels lie
/// `pitch` apart.
void blur_row(const float* k, Index n, Index row, const float* x, Index pitch, float* out, Index count) {
  over_blocks(count, [&]<int unroll>(auto d, Index i) {
    const auto lanes = static_cast<Index>(hn::Lanes(d));
    hn::Vec<decltype(d)> sum[unroll];
    for (auto& s : sum) s = hn::Zero(d);
    for (Index j = 0; j < n; ++j) {
      const auto factor = hn::Set(d, k[row >= j ? row - j : row - j + n]);
      for (int u = 0; u < unroll; ++u) sum[u] = hn::MulAdd(factor, hn::LoadU(d, x + j * pitch + i + u * lanes), sum[u]);
    }
    for (int u = 0; u < unroll; ++u) hn::StoreU(sum[u], d, out + i + u * lanes);
  });
}

/// out[i] = f(tag, i), vectors at a time.
template <class F>
void fill(float* out, Index n, const F& f) {
  over_blocks(n, [&]<int unroll>(auto d, Index i) {
    for (int u = 0; u < unroll; ++u, i += static_cast<Index>(hn::Lanes(d))) hn::StoreU(f(d, i), d, out + i);
  });
}

void square_run(const float* m, float* out, Index n) {
  fill(out, n, [&](auto d, Index i) {
    const auto v = hn::LoadU(d, m + i);
    return hn::Mul(v, v);
  });
}

void quotient_run(const float* dy, const float* y, float* out, Index n) {
  fill(out, n, [&](auto d, Index i) {
    const auto v = hn::LoadU(d, y + i);
    return hn::IfThenElseZero(hn::Gt(v, hn::Zero(d)), hn::Div(hn::LoadU(d, dy + i), v));
  });
}

void root_run(float least, float* y, Index n) {
  fill(y, n, [&](auto d, Index i) {
    return hn::Sqrt(hn::Add(hn::Max(hn::LoadU(d, y + i), hn::Zero(d)), hn::Set(d, least)));
  });
}

void product_run(const float* m, float* out, Index n) {
  fill(out, n, [&](auto d, Index i) { return hn::Mul(hn::LoadU(d, m + i), hn::LoadU(d, out + i)); });
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(blur_row);
HWY_EXPORT(square_run);
HWY_EXPORT(quotient_run);
HWY_EXPORT(root_run);
HWY_EXPORT(product_run);

/// out = K x, x a row of W voxels at a time from load(first voxel, where to); finish(first voxel, out, voxels) makes of K x what
/// is wanted.
template <class Load, class Finish>
void convolve(Stream& stream, const CoherenceKernel<ConstView<float>>& k, const Shape& s, const Load& load, float* out,
              const Finish& finish) {
  const Index plane = s.h * s.w;
  float* const blurred = stream.scratch<float>(s.size());  // along W and H
  parallel_pieces(stream, s.n * s.d, [&](Index, Index task) {
    thread_local std::vector<float> line, rows;
    line.resize(static_cast<std::size_t>(2 * s.w));
    rows.resize(static_cast<std::size_t>(plane));
    for (Index h = 0; h < s.h; ++h) {
      // k is even: sum_j k(i - j) x(j) = sum_j k(j) x(i + j), and x(i + j) is found in the doubled line without wrapping. With row = 0
      // blur_row takes k(-j) = k(j).
      load(task * plane + h * s.w, line.data());
      std::copy(line.begin(), line.begin() + s.w, line.begin() + s.w);
      HWY_DYNAMIC_DISPATCH(blur_row)(k.w.data, s.w, 0, line.data(), 1, rows.data() + h * s.w, s.w);
    }
    for (Index h = 0; h < s.h; ++h)
      HWY_DYNAMIC_DISPATCH(blur_row)(k.h.data, s.h, h, rows.data(), s.w, blurred + task * plane + h * s.w, s.w);
  });
  parallel_pieces(stream, s.n * s.d, [&](Index, Index task) {
    float* const to = out + task * plane;
    HWY_DYNAMIC_DISPATCH(blur_row)(k.d.data, s.d, task % s.d, blurred + task / s.d * s.d * plane, plane, to, plane);
    finish(task * plane, to, plane);
  });
}

}  // namespace

void partial_coherence_forward(Stream& stream, float epsilon, const CoherenceKernel<ConstView<float>>& k, ConstView<float> m,
                               View<float> y) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  convolve(
      stream, k, m.shape,
      [&](Index first, float* to) { HWY_DYNAMIC_DISPATCH(square_run)(m.data + first, to, m.shape.w); },
      y.data,
      [&](Index, float* p, Index n) { HWY_DYNAMIC_DISPATCH(root_run)(epsilon * epsilon, p, n); });
}

void partial_coherence_backward(Stream& stream, const CoherenceKernel<ConstView<float>>& k, ConstView<float> m, ConstView<float> y,
                                ConstView<float> dy, View<float> dm) {
  partial_coherence::require_shapes(k, m.shape, y.shape);
  require_shape("partial_coherence", "dy", dy.shape, y.shape);
  require_shape("partial_coherence", "dm", dm.shape, m.shape);
  convolve(
      stream, k, m.shape,
      [&](Index first, float* to) { HWY_DYNAMIC_DISPATCH(quotient_run)(dy.data + first, y.data + first, to, m.shape.w); },
      dm.data,
      [&](Index first, float* g, Index n) { HWY_DYNAMIC_DISPATCH(product_run)(m.data + first, g, n); });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

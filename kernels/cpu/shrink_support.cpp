// Strategy: (1) axis by axis, W first, in scratch memory; of the planes and rows that the next axis does not need nothing is
// made.
// (2) to (5) are one task a sample, (6) one a row.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/shrink_support.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/shrink_support.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

/// to = sum over k of weight[k] from[k * stride + i]
void weighted(const float* from, Index stride, const float* weight, Index count, float* to, Index n) {
  std::fill(to, to + n, 0.0F);
  for (Index k = 0; k < count; ++k, from += stride)
    for (Index i = 0; i < n; ++i) to[i] += weight[k] * from[i];
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <array>
#include <cmath>
#include <functional>

namespace fringe::cpu {
namespace {
HWY_EXPORT(weighted);

Index wrapped(Index i, Index n) { return (i % n + n) % n; }

/// (2) to (5) for one sample; `sorted` is memory for as many voxels.
void shrink_one(const ShrinkSupportParams& o, float threshold, const float* b, const float* before, const Shape& box,
                float* sorted, float* support, float* stats) {
  const Index voxels = box.voxels();
  double squares = 0, cubes = 0, within = 0, count = 0, largest = 0;
  for (Index i = 0; i < voxels; ++i) {
    const double v = b[i];
    squares += v * v, cubes += v * v * v, largest = std::max(largest, v);
    if (before[i] != 0) within += v * v, count += 1;
  }
  const double reference = o.of == ThresholdOf::maximum ? largest
                           : o.of == ThresholdOf::rms   ? std::sqrt(within / std::max(1.0, count))
                           : squares > 0                ? cubes / squares
                                                        : 0;
  const auto ranked = [&](Index k) {
    std::copy(b, b + voxels, sorted);
    std::nth_element(sorted, sorted + k - 1, sorted + voxels, std::greater<>());
    return static_cast<double>(sorted[k - 1]);
  };
  const double level = std::clamp(static_cast<double>(threshold) * reference, ranked(o.most), ranked(o.least));  // (2)
  const auto in = [&](Index i) { return b[i] > 0 && static_cast<double>(b[i]) >= level; };                       // (3)
  const Index extent[3] = {box.d, box.h, box.w};
  Index low[3] = {box.d, box.h, box.w}, high[3] = {-1, -1, -1}, at[3], found = 0;
  double sum[3] = {};
  for (Index i = 0; i < voxels; ++i) {
    if (!in(i)) continue;
    at[0] = i / (box.h * box.w), at[1] = i / box.w % box.h, at[2] = i % box.w;
    ++found;
    for (int k = 0; k < 3; ++k) {
      sum[k] += static_cast<double>(at[k]);
      low[k] = std::min(low[k], at[k]), high[k] = std::max(high[k], at[k]);
    }
  }
  Index shift[3] = {};
  bool stays = true;
  for (int k = 0; k < 3 && found > 0; ++k) {
    shift[k] = std::lround(static_cast<double>(extent[k] / 2) - sum[k] / static_cast<double>(found));
    stays = stays && low[k] + shift[k] >= 0 && high[k] + shift[k] < extent[k];
  }
  if (!stays) shift[0] = shift[1] = shift[2] = 0;  // (4)
  std::fill(support, support + voxels, 0.0F);
  const Index by = (shift[0] * box.h + shift[1]) * box.w + shift[2];
  for (Index i = 0; i < voxels; ++i)
    if (in(i)) support[i + by] = 1;  // (5)
  for (int k = 0; k < 3; ++k) stats[k] = static_cast<float>(shift[k]);
  stats[3] = static_cast<float>(found);
}

}  // namespace

void blurred_amplitude(Stream& stream, float sigma, ConstView<float> x, View<float> b) {
  shrink_support::require_blur(sigma, x.shape, b.shape);
  const Index reach = shrink_support::reach(sigma), taps = 2 * reach + 1;
  const Shape &s = x.shape, &box = b.shape;
  std::array<float, 2 * shrink_support::most_reach + 1> weight{};
  double total = 0;
  const auto g = [&](Index t) { return reach == 0 ? 1.0 : std::exp(-static_cast<double>(t * t) / (2.0 * sigma * sigma)); };
  for (Index k = 0; k < taps; ++k) total += g(k - reach);
  for (Index k = 0; k < taps; ++k) weight[static_cast<std::size_t>(k)] = static_cast<float>(g(k - reach) / total);
  // Planes of the box, and within reach of it along D, are blurred along W and H; a row of |x| is longer by the reach.
  const Index planes = box.d + 2 * reach, rows = box.h + 2 * reach, plane = box.h * box.w, row = box.w + 2 * reach;
  float* const blurred = stream.scratch<float>(s.n * planes * plane + stream.threads() * (row + rows * box.w));
  parallel_pieces(stream, s.n * planes, [&](Index piece, Index task) {
    float* const line = blurred + s.n * planes * plane + piece * (row + rows * box.w);
    float* const along_w = line + row;
    const Index n = task / planes, d = wrapped(task % planes - reach - s.d / 4, s.d);
    for (Index h = 0; h < rows; ++h) {
      const float* const from = x.data + 2 * ((n * s.d + d) * s.h + wrapped(h - reach - s.h / 4, s.h)) * s.w;
      for (Index w = 0; w < row; ++w) {
        const float* const v = from + 2 * wrapped(w - reach - s.w / 4, s.w);
        line[w] = std::sqrt(v[0] * v[0] + v[1] * v[1]);
      }
      HWY_DYNAMIC_DISPATCH(weighted)(line, 1, weight.data(), taps, along_w + h * box.w, box.w);
    }
    HWY_DYNAMIC_DISPATCH(weighted)(along_w, box.w, weight.data(), taps, blurred + task * plane, plane);
  });
  parallel_tasks(stream, s.n * box.d, [&](Index task) {
    const float* const from = blurred + (task / box.d * planes + task % box.d) * plane;
    HWY_DYNAMIC_DISPATCH(weighted)(from, plane, weight.data(), taps, b.data + task * plane, plane);  // (1)
  });
}

void shrink_support(Stream& stream, const ShrinkSupportParams& o, ConstView<float> thresholds, ConstView<float> b,
                    ConstView<float> before, View<float> support, View<float> stats) {
  shrink_support::require_shapes(o, thresholds.shape, b.shape, before.shape, support.shape, stats.shape);
  const Index voxels = b.shape.voxels();
  float* const memory = stream.scratch<float>(stream.threads() * voxels);
  parallel_pieces(stream, b.shape.n, [&](Index piece, Index n) {
    shrink_one(o, thresholds[n], b.data + n * voxels, before.data + n * voxels, b.shape, memory + piece * voxels,
               support.data + n * voxels, stats.data + 4 * n);
  });
}

void roll(Stream& stream, ConstView<float> stats, ConstView<float> x, View<float> y) {
  shrink_support::require_roll(stats.shape, x.shape, y.shape);
  const Shape& s = x.shape;
  parallel_tasks(stream, s.n * s.d * s.h, [&](Index task) {
    const Index n = task / (s.d * s.h), d = task / s.h % s.d, h = task % s.h;
    const auto shift = [&](Index k) { return static_cast<Index>(stats[4 * n + k]); };
    const float* const from = x.data + task * s.w * s.c;
    float* const to = y.data + ((n * s.d + wrapped(d + shift(0), s.d)) * s.h + wrapped(h + shift(1), s.h)) * s.w * s.c;
    const Index by = wrapped(shift(2), s.w) * s.c, row = s.w * s.c;
    std::copy(from, from + row - by, to + by);  // (6)
    std::copy(from + row - by, from + row, to);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

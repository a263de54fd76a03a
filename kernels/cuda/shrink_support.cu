// Strategy: (1) in three launches, one an axis, W first; the intermediate arrays hold what the next axis needs and no more.
// Each number is a thread's, whose taps are in cache.
// (2) to (5) are one block a sample, which reads b a few times: no number has to leave the multiprocessor between them, and
// starts are many. The k-th largest number is found by the digits of its bits (which order as numbers not below zero do), 11,
// 10 and 10 of them at a time, from counts in shared memory: integers, whose sums know no order. It is looked for only where
// the level has to give way. Zeros, of which there are many around a crystal, are not counted: they are the smallest.
// (6) one thread a voxel, its shift read from memory.
#include "kernels/shrink_support.h"

#include "kernels/cuda/place.cuh"
#include "kernels/cuda/reduce.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;
constexpr int shrink_threads = 1024;
constexpr unsigned bins = 2048, bins_each = bins / shrink_threads;

struct Weights {
  float w[shrink_support::most_reach + 1];
  int reach;
};

__device__ __forceinline__ unsigned wrapped(int i, unsigned n) {
  const int m = i % static_cast<int>(n);
  return static_cast<unsigned>(m < 0 ? m + static_cast<int>(n) : m);
}

/// The sum of (1) over a line of `n` voxels, around its ends, from voxel `first` on, of what value() makes of them.
template <class F>
__device__ __forceinline__ float along(const Weights& g, unsigned n, int first, const F& value) {
  unsigned at = wrapped(first, n);
  float sum = 0;
  for (int t = -g.reach; t <= g.reach; ++t) {
    sum += g.w[t < 0 ? -t : t] * value(at);
    if (++at == n) at = 0;
  }
  return sum;
}

/// b: (N, box D + 2 reach, box H + 2 reach, box W)
__global__ void blur_along_w_kernel(const __grid_constant__ Weights g, const __grid_constant__ Extents e, const float2* x,
                                    const __grid_constant__ Extents to, unsigned count, float* b) {
  begin_kernel();
  for_each_place(count, to, [&](unsigned i, const Place& p) {
    const unsigned d = wrapped(static_cast<int>(p.d) - g.reach - static_cast<int>(e.d / 4), e.d);
    const unsigned h = wrapped(static_cast<int>(p.h) - g.reach - static_cast<int>(e.h / 4), e.h);
    const float2* const line = x + e.at(p.n, d, h, 0, 0);
    b[i] = along(g, e.w, static_cast<int>(p.w) - static_cast<int>(e.w / 4) - g.reach, [&](unsigned w) {
      const float2 v = line[w];
      return sqrtf(v.x * v.x + v.y * v.y);
    });
  });
}

/// Along D or H, whichever axis is `stride` numbers apart; where `to` is shorter than `from` by twice the reach.
template <bool AlongD>
__global__ void blur_kernel(const __grid_constant__ Weights g, const __grid_constant__ Extents from, const float* a,
                            const __grid_constant__ Extents to, unsigned count, float* b) {
  begin_kernel();
  for_each_place(count, to, [&](unsigned i, const Place& p) {
    const float* at = a + from.at(p.n, p.d, p.h, p.w, 0);
    const unsigned stride = AlongD ? from.h * from.w : from.w;
    float sum = 0;
    for (int t = -g.reach; t <= g.reach; ++t, at += stride) sum += g.w[t < 0 ? -t : t] * *at;
    b[i] = sum;
  });
}

/// Calls f(i) for this thread's voxels.
template <class F>
__device__ __forceinline__ void each_voxel(unsigned count, const F& f) {
  for (unsigned i = threadIdx.x; i < count; i += shrink_threads) f(i);
}

/// The k-th largest of count numbers that are not below zero, in every thread. counts: shared memory for `bins` numbers.
__device__ float ranked(const float* b, unsigned count, unsigned k, unsigned* counts) {
  __shared__ unsigned warps[shrink_threads / 32], digit, above;
  unsigned known = 0, mask = 0;
  for (int shift = 20; shift >= 0; shift -= 10) {
    for (unsigned i = threadIdx.x; i < bins; i += shrink_threads) counts[i] = 0;
    if (threadIdx.x == 0) digit = bins;
    __syncthreads();
    each_voxel(count, [&](unsigned i) {
      const unsigned bits = __float_as_uint(b[i]);
      if (bits != 0 && (bits & mask) == known) atomicAdd(&counts[bits >> shift & (shift == 20 ? 2047U : 1023U)], 1U);
    });
    __syncthreads();
    // Sums from the largest digit down: thread t has the `bins_each` ones from 2047 - bins_each t on.
    const unsigned top = bins - 1 - bins_each * threadIdx.x;
    unsigned own = 0;
    for (unsigned i = 0; i < bins_each; ++i) own += counts[top - i];
    unsigned sum = own;
    for (unsigned by = 1; by < 32; by *= 2) {
      const unsigned other = __shfl_up_sync(0xffffffffU, sum, by);
      if (threadIdx.x % 32 >= by) sum += other;
    }
    if (threadIdx.x % 32 == 31) warps[threadIdx.x / 32] = sum;
    __syncthreads();
    for (unsigned warp = 0; warp < threadIdx.x / 32; ++warp) sum += warps[warp];
    if (sum >= k && sum - own < k) {  // one thread at most
      unsigned larger = sum - own, d = top;
      while (larger + counts[d] < k) larger += counts[d--];
      digit = d;
      above = larger;
    }
    __syncthreads();
    if (digit == bins) return 0;  // fewer than k are more than zero
    known |= digit << shift;
    mask |= (shift == 20 ? 2047U : 1023U) << shift;
    k -= above;
    __syncthreads();  // before digit and counts are set again
  }
  return __uint_as_float(known);
}

/// a / b, whole numbers of which b is not below zero, rounded away from zero; 0 where b is 0. Without the division of doubles,
/// whose registers spill here.
__device__ __forceinline__ int rounded_quotient(double a, double b) {
  int q = 0;
  while (b > 0 && (2 * q + 1) * b <= 2 * fabs(a)) ++q;
  return a < 0 ? -q : q;
}

__global__ void __launch_bounds__(shrink_threads)
    shrink_support_kernel(ThresholdOf of, unsigned least, unsigned most, const float* thresholds,
                          const __grid_constant__ Extents box, unsigned count, const float* b, const float* before,
                          float* support, float* stats) {
  begin_kernel();
  __shared__ unsigned counts[bins];
  const unsigned n = blockIdx.x;
  b += static_cast<Index>(n) * count, before += static_cast<Index>(n) * count, support += static_cast<Index>(n) * count;
  double reference;
  if (of == ThresholdOf::maximum) {
    reference = ranked(b, count, 1, counts);
  } else {
    double one = 0, other = 0;
    each_voxel(count, [&](unsigned i) {
      const double v = b[i];
      if (of == ThresholdOf::level) one += v * v, other += v * v * v;
      if (of == ThresholdOf::rms && before[i] != 0) one += v * v, other += 1;
    });
    one = block_sum<shrink_threads>(one), other = block_sum<shrink_threads>(other);
    const bool levels = of == ThresholdOf::level;
    const double share = (levels ? other : one) / (levels ? (one > 0 ? one : 1.0) : fmax(1.0, other));
    reference = levels ? share : sqrt(share);
  }
  double level = static_cast<double>(thresholds[n]) * reference;
  double not_less = 0, more = 0;
  each_voxel(count, [&](unsigned i) {
    const double v = b[i];
    not_less += v >= level ? 1 : 0;
    more += v > level ? 1 : 0;
  });
  not_less = block_sum<shrink_threads>(not_less), more = block_sum<shrink_threads>(more);
  if (more >= most)
    level = ranked(b, count, most, counts);
  else if (not_less < least)
    level = ranked(b, count, least, counts);  // (2)

  const auto in = [&](unsigned i) { return b[i] > 0 && static_cast<double>(b[i]) >= level; };  // (3)
  double found = 0, sums[3] = {};
  each_voxel(count, [&](unsigned i) {
    if (!in(i)) return;
    const Place p(i, box);
    found += 1, sums[0] += p.d, sums[1] += p.h, sums[2] += p.w;
  });
  found = block_sum<shrink_threads>(found);
  const unsigned extent[3] = {box.d, box.h, box.w};
  int shift[3];
#pragma unroll
  for (int k = 0; k < 3; ++k) {
    shift[k] = rounded_quotient((extent[k] / 2) * found - block_sum<shrink_threads>(sums[k]), found);
  }
  int leaves = 0;
  each_voxel(count, [&](unsigned i) {
    if (!in(i)) return;
    const Place p(i, box);
    leaves |= p.d + shift[0] >= box.d || p.h + shift[1] >= box.h || p.w + shift[2] >= box.w;  // below zero is very large
  });
  if (__syncthreads_or(leaves) != 0) shift[0] = shift[1] = shift[2] = 0;  // (4)
  each_voxel(count, [&](unsigned i) {
    const Place p(i, box);
    const unsigned d = p.d - shift[0], h = p.h - shift[1], w = p.w - shift[2];
    const bool from_box = d < box.d && h < box.h && w < box.w;
    support[i] = from_box && in(box.at(0, d, h, w, 0)) ? 1.0F : 0.0F;  // (5)
  });
  if (threadIdx.x < 4)
    stats[4 * n + threadIdx.x] = static_cast<float>(threadIdx.x == 0   ? shift[0]
                                                    : threadIdx.x == 1 ? shift[1]
                                                    : threadIdx.x == 2 ? shift[2]
                                                                       : static_cast<int>(found));
}

__global__ void roll_kernel(const float* stats, const __grid_constant__ Extents e, unsigned count, const float* x, float* y) {
  begin_kernel();
  for_each_place(count, e, [&](unsigned i, const Place& p) {
    const float* const shift = stats + 4 * p.n;
    const unsigned d = wrapped(static_cast<int>(p.d) - static_cast<int>(shift[0]), e.d),
                   h = wrapped(static_cast<int>(p.h) - static_cast<int>(shift[1]), e.h),
                   w = wrapped(static_cast<int>(p.w) - static_cast<int>(shift[2]), e.w);
    y[i] = x[e.at(p.n, d, h, w, p.c)];  // (6)
  });
}

}  // namespace

void blurred_amplitude(Stream& stream, float sigma, ConstView<float> x, View<float> b) {
  shrink_support::require_blur(sigma, x.shape, b.shape);
  const Index reach = shrink_support::reach(sigma);
  Weights g{};
  g.reach = static_cast<int>(reach);
  double weights[shrink_support::most_reach + 1], total = 0;
  for (Index t = 0; t <= reach; ++t) {
    weights[t] = reach == 0 ? 1.0 : std::exp(-static_cast<double>(t * t) / (2.0 * sigma * sigma));
    total += t == 0 ? weights[t] : 2 * weights[t];
  }
  for (Index t = 0; t <= reach; ++t) g.w[t] = static_cast<float>(weights[t] / total);
  const Shape along_w{x.shape.n, b.shape.d + 2 * reach, b.shape.h + 2 * reach, b.shape.w, 1},
      along_h{x.shape.n, along_w.d, b.shape.h, b.shape.w, 1};
  float* const first = stream.scratch<float>(along_w.size() + along_h.size());
  float* const second = first + along_w.size();
  const auto size = [](const Shape& s) { return static_cast<unsigned>(s.size()); };
  LAUNCH(blur_along_w_kernel, grid_for(along_w.size(), threads), threads, 0, stream, g, Extents(x.shape.with_channels(1)),
         reinterpret_cast<const float2*>(x.data), Extents(along_w), size(along_w), first);
  LAUNCH(blur_kernel<false>, grid_for(along_h.size(), threads), threads, 0, stream, g, Extents(along_w), first,
         Extents(along_h), size(along_h), second);
  LAUNCH(blur_kernel<true>, grid_for(b.size(), threads), threads, 0, stream, g, Extents(along_h), second, Extents(b.shape),
         size(b.shape), b.data);
}

void shrink_support(Stream& stream, const ShrinkSupportParams& o, ConstView<float> thresholds, ConstView<float> b,
                    ConstView<float> before, View<float> support, View<float> stats) {
  shrink_support::require_shapes(o, thresholds.shape, b.shape, before.shape, support.shape, stats.shape);
  LAUNCH(shrink_support_kernel, static_cast<unsigned>(b.shape.n), shrink_threads, 0, stream, o.of,
         static_cast<unsigned>(o.least), static_cast<unsigned>(o.most), thresholds.data, Extents(b.shape),
         static_cast<unsigned>(b.shape.voxels()), b.data, before.data, support.data, stats.data);
}

void roll(Stream& stream, ConstView<float> stats, ConstView<float> x, View<float> y) {
  shrink_support::require_roll(stats.shape, x.shape, y.shape);
  LAUNCH(roll_kernel, grid_for(x.size(), threads), threads, 0, stream, stats.data, Extents(x.shape),
         static_cast<unsigned>(x.size()), x.data, y.data);
}

}  // namespace fringe::cuda

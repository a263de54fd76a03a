#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roofs.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <chrono>
#include <cstring>
#include <numeric>
#include <vector>

#include "bench/roofs.h"
#include "hwy/highway.h"
#include "kernels/cpu/team.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR
constexpr int rows = 6;  // with two vectors of columns: 12 of 16 registers accumulate
#else
constexpr int rows = 12;  // 24 of 32
#endif
constexpr Index depth = 128;

/// c (rows x 2 vectors) += a (depth x rows) * b (depth x 2 vectors), `times` times; returns the flops.
double product(float* a, float* b, float* c, Index times) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<Index>(hn::Lanes(d));
  for (Index t = 0; t < times; ++t) {
    V sum[rows][2];
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < 2; ++v) sum[r][v] = hn::LoadU(d, c + (2 * r + v) * lanes);
    for (Index k = 0; k < depth; ++k) {
      const V b0 = hn::LoadU(d, b + 2 * k * lanes), b1 = hn::LoadU(d, b + (2 * k + 1) * lanes);
#pragma GCC unroll 12
      for (int r = 0; r < rows; ++r) {
        const V x = hn::Set(d, a[k * rows + r]);
        sum[r][0] = hn::MulAdd(x, b0, sum[r][0]);
        sum[r][1] = hn::MulAdd(x, b1, sum[r][1]);
      }
    }
    for (int r = 0; r < rows; ++r)
      for (int v = 0; v < 2; ++v) hn::StoreU(sum[r][v], d, c + (2 * r + v) * lanes);
  }
  return 2.0 * rows * 2 * static_cast<double>(lanes * depth * times);
}

}  // namespace fringe::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::bench {
namespace {

HWY_EXPORT(product);
using Clock = std::chrono::steady_clock;

/// Best rate of ten rounds in which every thread does `work(thread)`, which returns how much it did.
template <class Work>
double best_rate(int threads, const Work& work) {
  double best = 0;
  for (int round = 0; round < 10; ++round) {
    std::vector<double> by_thread(static_cast<std::size_t>(threads));
    const auto start = Clock::now();
    cpu::run_pieces(threads, [&](int t) { by_thread[static_cast<std::size_t>(t)] = work(t); });
    const double done = std::accumulate(by_thread.begin(), by_thread.end(), 0.0);
    best = std::max(best, done / std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

}  // namespace

Roofs measure_roofs(int threads) {
  struct Memory {
    std::vector<float> a = std::vector<float>(2048, 1e-3F), b = std::vector<float>(8192, 1e-3F), c = std::vector<float>(512);
  };
  std::vector<Memory> memory(static_cast<std::size_t>(threads));
  Roofs roofs;
  roofs.flops = best_rate(threads, [&](int t) {
    auto& m = memory[static_cast<std::size_t>(t)];
    return HWY_DYNAMIC_DISPATCH(product)(m.a.data(), m.b.data(), m.c.data(), 20000);
  });
  constexpr std::size_t bytes = std::size_t{256} << 20;
  std::vector<char> from(bytes, 1), to(bytes, 2);
  roofs.bytes = best_rate(threads, [&](int t) {
    const std::size_t n = bytes / static_cast<std::size_t>(threads), begin = n * static_cast<std::size_t>(t);
    std::memcpy(to.data() + begin, from.data() + begin, n);
    return 2.0 * static_cast<double>(n);
  });
  return roofs;
}

}  // namespace fringe::bench
#endif  // HWY_ONCE

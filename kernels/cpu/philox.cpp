// Strategy: elements are independent, so threads take equal pieces; used at start-up only, not in the hot path.
#include "kernels/philox.h"

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {
namespace {

template <class F>
void fill(Stream& stream, View<float> y, const F& element) {
  parallel_ranges(stream, y.size(), 1 << 10, [&](Index begin, Index end) {
    for (Index i = begin; i < end; ++i) y[i] = static_cast<float>(element(static_cast<std::uint64_t>(i)));
  });
}

}  // namespace

void philox_uniform(Stream& stream, std::uint64_t seed, std::uint64_t stream_id, View<float> y) {
  fill(stream, y, [&](std::uint64_t i) { return philox::uniform(seed, stream_id, i); });
}

void philox_normal(Stream& stream, std::uint64_t seed, std::uint64_t stream_id, View<float> y) {
  fill(stream, y, [&](std::uint64_t i) { return philox::normal(seed, stream_id, i); });
}

}  // namespace fringe::cpu

// Strategy: a kernel for each slot; blockIdx.y is the sample. A block whose choice is in y already ends at once, which is the
// usual case when the best of a run is kept.
#include "kernels/choose_smaller.h"

#include "kernels/cuda/launch.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 256;

__global__ void choose_smaller_kernel(const float* score_a, const float* score_b, Index count, const float* a, const float* b,
                                      float* y) {
  begin_kernel();
  if (global_thread() >= count) return;  // the scores are read by those alone who write: they may be the slot
  const Index first = static_cast<Index>(blockIdx.y) * count;
  const float* const from = score_b[blockIdx.y] < score_a[blockIdx.y] ? b : a;
  if (from == y) return;
  for (Index i = global_thread(); i < count; i += global_threads()) y[first + i] = from[first + i];  // (1)
}

}  // namespace

void choose_smaller(Stream& stream, ConstView<float> score_a, ConstView<float> score_b,
                    std::span<const ChoiceSlot<float>> slots) {
  choose_smaller::require_shapes(score_a.shape, score_b.shape, slots);
  for (const auto& s : slots) {
    const Index count = s.a.shape.per_sample();
    const dim3 grid(grid_for(count, threads), static_cast<unsigned>(s.a.shape.n));
    LAUNCH(choose_smaller_kernel, grid, threads, 0, stream, score_a.data, score_b.data, count, s.a.data, s.b.data, s.y.data);
  }
}

}  // namespace fringe::cuda

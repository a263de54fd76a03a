// Strategy: all arrays in one pass (slots.cuh): a block takes 1024 elements of one of them.
#include "kernels/accumulate.h"

#include "kernels/cuda/slots.cuh"

namespace fringe::cuda {
namespace {

constexpr int most = 128;
using List = SlotList<2, most>;

__global__ void __launch_bounds__(slot_threads)
    accumulate_kernel(const __grid_constant__ List list, bool overwrite, float divisor) {
  begin_kernel();
  list.for_each([&](float* const (&array)[2], unsigned i) {
    const float term = array[0][i] / divisor;
    array[1][i] = overwrite ? term : array[1][i] + term;  // (2), (1)
  });
}

}  // namespace

void accumulate(Stream& stream, const AccumulateParams<float>& p, std::span<const AccumulateSlot<float>> slots) {
  in_lists<2, most>(
      slots,
      [](const AccumulateSlot<float>& s, float* (&data)[2]) {
        require_shape("accumulate", "x", s.x.shape, s.y.shape);
        data[0] = const_cast<float*>(s.x.data);  // only read
        data[1] = s.y.data;
        return s.y.size();
      },
      [&](const List& list, unsigned blocks) {
        LAUNCH(accumulate_kernel, blocks, slot_threads, 0, stream, list, p.overwrite, p.divisor);
      });
}

}  // namespace fringe::cuda

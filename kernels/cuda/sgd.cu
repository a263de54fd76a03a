// Strategy: as adam.
#include "kernels/sgd.h"

#include "kernels/cuda/slots.cuh"

namespace fringe::cuda {
namespace {

constexpr int most = 64;
using List = SlotList<3, most>;

__global__ void __launch_bounds__(slot_threads)
    sgd_step_kernel(const __grid_constant__ List list, const float* rate, float momentum) {
  begin_kernel();
  const float r = rate[0];
  list.for_each([&](float* const (&array)[3], unsigned i) {
    const float m = momentum * array[2][i] + array[1][i];  // (1)
    array[2][i] = m;
    array[0][i] -= r * m;  // (2)
  });
}

}  // namespace

void sgd_step(Stream& stream, const SgdParams& p, ConstView<float> rate, std::span<const SgdSlot<float>> slots) {
  in_lists<3, most>(
      slots,
      [](const SgdSlot<float>& s, float* (&data)[3]) {
        require_shape("sgd", "gradient", s.gradient.shape, s.value.shape);
        data[0] = s.value.data;
        data[1] = const_cast<float*>(s.gradient.data);  // only read
        data[2] = s.m.data;
        return s.value.size();
      },
      [&](const List& list, unsigned blocks) {
        LAUNCH(sgd_step_kernel, blocks, slot_threads, 0, stream, list, rate.data, static_cast<float>(p.momentum));
      });
}

}  // namespace fringe::cuda

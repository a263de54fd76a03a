// Strategy: all parameters of the network in one pass (slots.cuh): a block takes 1024 elements of one of them.
#include "kernels/adam.h"

#include "kernels/cuda/slots.cuh"

namespace fringe::cuda {
namespace {

constexpr int most = 64;
using List = SlotList<4, most>;

struct Constants {
  float beta1, beta2, rest1, rest2, epsilon;
};

__global__ void __launch_bounds__(slot_threads)
    adam_step_kernel(const __grid_constant__ List list, Constants k, const float* factors) {
  begin_kernel();
  const float f0 = factors[0], f1 = factors[1];
  list.for_each([&](float* const (&array)[4], unsigned i) {
    const float g = array[1][i];
    const float m = k.beta1 * array[2][i] + k.rest1 * g;      // (1)
    const float v = k.beta2 * array[3][i] + k.rest2 * g * g;  // (2)
    array[2][i] = m;
    array[3][i] = v;
    array[0][i] -= f0 * m / (sqrtf(v * f1) + k.epsilon);  // (3)
  });
}

}  // namespace

void adam_step(Stream& stream, const AdamParams& p, ConstView<float> factors, std::span<const AdamSlot<float>> slots) {
  adam::require_shapes(factors.shape);
  const Constants k{static_cast<float>(p.beta1),
                    static_cast<float>(p.beta2),
                    static_cast<float>(1 - p.beta1),
                    static_cast<float>(1 - p.beta2),
                    static_cast<float>(p.epsilon)};
  in_lists<4, most>(
      slots,
      [](const AdamSlot<float>& s, float* (&data)[4]) {
        require_shape("adam", "gradient", s.gradient.shape, s.value.shape);
        data[0] = s.value.data;
        data[1] = const_cast<float*>(s.gradient.data);  // only read
        data[2] = s.m.data;
        data[3] = s.v.data;
        return s.value.size();
      },
      [&](const List& list, unsigned blocks) {
        LAUNCH(adam_step_kernel, blocks, slot_threads, 0, stream, list, k, factors.data);
      });
}

}  // namespace fringe::cuda

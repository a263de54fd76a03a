// The list of benchmarks: one function an operation, in <operation>_bench.cpp.
#pragma once
#include "bench/harness.h"

namespace fringe::bench {

void bench_accumulate(Bench& bench);
void bench_adam(Bench& bench);
void bench_add(Bench& bench);
void bench_batch_norm(Bench& bench);
void bench_batch_norm_fold(Bench& bench);
void bench_choose_smaller(Bench& bench);
void bench_conv3d(Bench& bench);
void bench_crystal(Bench& bench);
void bench_crystal_targets(Bench& bench);
void bench_fft3d(Bench& bench);
void bench_fused_conv3d(Bench& bench);
void bench_fused_diffraction(Bench& bench);
void bench_fused_max_pool(Bench& bench);
void bench_fused_separable_conv3d(Bench& bench);
void bench_leaky_relu(Bench& bench);
void bench_likelihood_step(Bench& bench);
void bench_max_pool(Bench& bench);
void bench_modulus(Bench& bench);
void bench_modulus_projection(Bench& bench);
void bench_pad_centred(Bench& bench);
void bench_pattern_input(Bench& bench);
void bench_partial_coherence(Bench& bench);
void bench_pearson_loss(Bench& bench);
void bench_philox(Bench& bench);
void bench_photon_noise(Bench& bench);
void bench_poisson_loss(Bench& bench);
void bench_polar(Bench& bench);
void bench_relative_l2(Bench& bench);
void bench_scalars(Bench& bench);
void bench_scaled_tanh(Bench& bench);
void bench_separable_conv3d(Bench& bench);
void bench_sgd(Bench& bench);
void bench_shrink_support(Bench& bench);
void bench_support_update(Bench& bench);
void bench_uniform_density(Bench& bench);
void bench_upsample_nearest(Bench& bench);
void bench_upsample_trilinear(Bench& bench);
void bench_wrapped_fft3d(Bench& bench);

/// The network as a whole, on a pattern of extent^3: every convolution of a training step, the step, and a prediction.
struct NetworkCase {
  Index extent = 64, width = 8, batch = 1;
};
void bench_network(Bench& bench, const NetworkCase& network);

/// Everything, operations by name; the network last.
void run_all(Bench& bench, const std::vector<NetworkCase>& networks);

/// The cost of moving `arrays` arrays of this shape and `flops` operations an element.
inline Cost moved(const Shape& shape, double arrays, double flops) {
  const auto n = static_cast<double>(shape.size());
  return {flops * n, arrays * n * sizeof(float)};
}

}  // namespace fringe::bench

#include "bench/suite.h"

namespace fringe::bench {

void run_all(Bench& bench, const std::vector<NetworkCase>& networks) {
  bench_accumulate(bench);
  bench_adam(bench);
  bench_add(bench);
  bench_batch_norm(bench);
  bench_batch_norm_fold(bench);
  bench_choose_smaller(bench);
  bench_conv3d(bench);
  bench_crystal(bench);
  bench_crystal_targets(bench);
  bench_fft3d(bench);
  bench_fused_conv3d(bench);
  bench_fused_diffraction(bench);
  bench_fused_max_pool(bench);
  bench_fused_separable_conv3d(bench);
  bench_leaky_relu(bench);
  bench_likelihood_step(bench);
  bench_max_pool(bench);
  bench_modulus(bench);
  bench_modulus_projection(bench);
  bench_pad_centred(bench);
  bench_pattern_input(bench);
  bench_partial_coherence(bench);
  bench_pearson_loss(bench);
  bench_philox(bench);
  bench_photon_noise(bench);
  bench_poisson_loss(bench);
  bench_polar(bench);
  bench_relative_l2(bench);
  bench_scalars(bench);
  bench_scaled_tanh(bench);
  bench_separable_conv3d(bench);
  bench_sgd(bench);
  bench_shrink_support(bench);
  bench_support_update(bench);
  bench_uniform_density(bench);
  bench_upsample_nearest(bench);
  bench_upsample_trilinear(bench);
  bench_wrapped_fft3d(bench);
  for (const auto& network : networks) bench_network(bench, network);
}

}  // namespace fringe::bench

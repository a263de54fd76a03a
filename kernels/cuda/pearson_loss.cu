// Strategy: as relative_l2, with one more pass of sums for the means of (1) where they are asked for.
#include "kernels/pearson_loss.h"

#include "kernels/cuda/loss.cuh"
#include "kernels/relative_l2.h"

namespace fringe::cuda {
namespace {

/// (1), from the sums of w, w p and w t; zero where the correlation is not centred.
struct Means {
  double p, t;
};
__device__ __forceinline__ Means means_of(bool centred, double* sums, unsigned pieces) {
  if (!centred) return {0.0, 0.0};
  double s[3];
  add_pieces(s, sums, pieces);
  return {s[1] / s[0], s[2] / s[0]};
}

__device__ __forceinline__ double inverse_norm(double squares) { return squares > 0 ? 1 / sqrt(squares) : 0.0; }

__global__ void __launch_bounds__(sample_threads) pearson_loss_means_kernel(LossOperands o, double* sums) {
  begin_kernel();
  sum_piece<3>(o.count, sums, [&](Index i, double (&s)[3]) {
    const double w = o.weight(i);
    s[0] += w;
    s[1] += w * static_cast<double>(o.prediction(i));
    s[2] += w * static_cast<double>(o.target(i));
  });
}

__global__ void __launch_bounds__(sample_threads)
    pearson_loss_norms_kernel(bool centred, LossOperands o, double* sums, double* norms) {
  begin_kernel();
  const Means mean = means_of(centred, sums, gridDim.x);
  sum_piece<2>(o.count, norms, [&](Index i, double (&s)[2]) {
    const double w = o.weight(i), a = o.prediction(i) - mean.p, b = o.target(i) - mean.t;
    s[0] += w * a * a;
    s[1] += w * b * b;
  });
}

__global__ void __launch_bounds__(sample_threads)
    pearson_loss_distance_kernel(bool centred, LossOperands o, double* sums, double* norms, double* distances) {
  begin_kernel();
  const Means mean = means_of(centred, sums, gridDim.x);
  double n[2];
  add_pieces(n, norms, gridDim.x);
  const double inverse_p = inverse_norm(n[0]), inverse_t = inverse_norm(n[1]);
  sum_piece<1>(o.count, distances, [&](Index i, double (&s)[1]) {
    const double delta = (o.prediction(i) - mean.p) * inverse_p - (o.target(i) - mean.t) * inverse_t;
    s[0] += static_cast<double>(o.weight(i)) * delta * delta;
  });
}

__global__ void __launch_bounds__(sample_threads)
    pearson_loss_finish_kernel(bool centred, unsigned pieces, double* sums, double* norms, double* distances, float* stats,
                               float* loss) {
  begin_kernel();
  const Means mean = means_of(centred, sums, pieces);
  double n[2], distance[1];
  add_pieces(n, norms, pieces);
  add_pieces(distance, distances, pieces);
  if (threadIdx.x != 0) return;
  float* const s = stats + 4 * blockIdx.y;
  s[0] = static_cast<float>(mean.p);
  s[1] = static_cast<float>(mean.t);
  s[2] = static_cast<float>(inverse_norm(n[0]));
  s[3] = static_cast<float>(1 / sqrt(n[1]));  // infinite for a constant target
  loss[blockIdx.y] = !(n[1] > 0) ? NAN : n[0] > 0 ? static_cast<float>(distance[0] / 2) : 1.0F;  // (3)
}

__global__ void __launch_bounds__(sample_threads)
    pearson_loss_backward_kernel(LossOperands o, const float* stats, const float* loss, const float* dloss, float* dp) {
  begin_kernel();
  const float* const s = stats + 4 * blockIdx.y;
  const float mean_p = s[0], mean_t = s[1], inverse_p = s[2], inverse_t = s[3], r = 1 - loss[blockIdx.y];
  const float factor = dloss[blockIdx.y] * inverse_p;
  for (Index i = global_thread(); i < o.count; i += global_threads()) {
    const float u = (o.prediction(i) - mean_p) * inverse_p, v = (o.target(i) - mean_t) * inverse_t;
    dp[o.first() + i] = factor * o.weight(i) * (r * u - v);  // (4)
  }
}

}  // namespace

void pearson_loss_forward(Stream& stream, const PearsonLossParams& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  const LossOperands o(p, t, w);
  const Index samples = p.shape.n, parts = samples * sample_pieces(o.count);
  auto* sums = stream.scratch<double>(6 * parts);
  double *norms = sums + 3 * parts, *distances = norms + 2 * parts;
  const dim3 grid = sample_grid(o.count, samples);
  if (params.centred) LAUNCH(pearson_loss_means_kernel, grid, sample_threads, 0, stream, o, sums);
  LAUNCH(pearson_loss_norms_kernel, grid, sample_threads, 0, stream, params.centred, o, sums, norms);
  LAUNCH(pearson_loss_distance_kernel, grid, sample_threads, 0, stream, params.centred, o, sums, norms, distances);
  LAUNCH(pearson_loss_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, params.centred, grid.x, sums, norms, distances,
         stats.data, loss.data);
}

void pearson_loss_backward(Stream& stream, const PearsonLossParams&, ConstView<float> p, ConstView<float> t,
                           ConstView<float> w, ConstView<float> stats, ConstView<float> loss, ConstView<float> dloss,
                           View<float> dp) {
  relative_l2::require_shapes("pearson_loss", p, t, w, stats.shape, 4, loss.shape);
  require_shape("pearson_loss", "dp", dp.shape, p.shape);
  const LossOperands o(p, t, w);
  LAUNCH(pearson_loss_backward_kernel, dim3(grid_for(o.count, sample_threads), static_cast<unsigned>(p.shape.n)), sample_threads, 0,
         stream, o, stats.data, loss.data, dloss.data, dp.data);
}

}  // namespace fringe::cuda

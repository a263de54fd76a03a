// Strategy: as relative_l2.
#include "kernels/poisson_loss.h"

#include "kernels/cuda/loss.cuh"
#include "kernels/relative_l2.h"

namespace fringe::cuda {
namespace {

__global__ void __launch_bounds__(sample_threads) poisson_loss_norms_kernel(LossOperands o, double* norms) {
  begin_kernel();
  sum_piece<3>(o.count, norms, [&](Index i, double (&s)[3]) {
    const double w = o.weight(i), a = o.prediction(i), b = o.target(i);
    s[0] += w * a * a;
    s[1] += w * b * b;
    s[2] += w;
  });
}

__device__ __forceinline__ double scale_of(bool fit, const double (&norms)[3]) {
  return !fit ? 1.0 : norms[0] > 0 ? norms[1] / norms[0] : 0.0;  // (1)
}

__global__ void __launch_bounds__(sample_threads)
    poisson_loss_terms_kernel(bool fit, double floor, LossOperands o, double* norms, double* terms) {
  begin_kernel();
  double n[3];
  add_pieces(n, norms, gridDim.x);
  const double scale = scale_of(fit, n);
  sum_piece<1>(o.count, terms, [&](Index i, double (&s)[1]) {
    const double a = o.prediction(i), b = o.target(i), lambda = scale * a * a + floor, counts = b * b;
    s[0] += static_cast<double>(o.weight(i)) * (lambda - counts + (counts > 0 ? counts * log(counts / lambda) : 0.0));  // (2)
  });
}

__global__ void __launch_bounds__(sample_threads)
    poisson_loss_finish_kernel(bool fit, unsigned pieces, double* norms, double* terms, float* stats, float* loss) {
  begin_kernel();
  double n[3], term[1];
  add_pieces(n, norms, pieces);
  add_pieces(term, terms, pieces);
  if (threadIdx.x != 0) return;
  stats[2 * blockIdx.y] = static_cast<float>(scale_of(fit, n));
  stats[2 * blockIdx.y + 1] = static_cast<float>(n[2]);
  loss[blockIdx.y] = static_cast<float>(term[0] / n[2]);  // not a number when all weights are zero
}

__global__ void __launch_bounds__(sample_threads)
    poisson_loss_backward_kernel(float floor, LossOperands o, const float* stats, const float* dloss, float* dp) {
  begin_kernel();
  const float scale = stats[2 * blockIdx.y], factor = 2 * dloss[blockIdx.y] * scale / stats[2 * blockIdx.y + 1];
  for (Index i = global_thread(); i < o.count; i += global_threads()) {
    const float a = o.prediction(i), b = o.target(i);
    dp[o.first() + i] = factor * o.weight(i) * a * (1 - b * b / (scale * a * a + floor));  // (3)
  }
}

}  // namespace

void poisson_loss_forward(Stream& stream, const PoissonLossParams& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, loss.shape);
  const LossOperands o(p, t, w);
  const Index samples = p.shape.n, parts = samples * sample_pieces(o.count);
  auto* norms = stream.scratch<double>(4 * parts);
  double* terms = norms + 3 * parts;
  const dim3 grid = sample_grid(o.count, samples);
  LAUNCH(poisson_loss_norms_kernel, grid, sample_threads, 0, stream, o, norms);
  LAUNCH(poisson_loss_terms_kernel, grid, sample_threads, 0, stream, params.fit_scale, params.floor, o, norms, terms);
  LAUNCH(poisson_loss_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, params.fit_scale, grid.x, norms, terms, stats.data,
         loss.data);
}

void poisson_loss_backward(Stream& stream, const PoissonLossParams& params, ConstView<float> p, ConstView<float> t,
                           ConstView<float> w, ConstView<float> stats, ConstView<float> dloss, View<float> dp) {
  relative_l2::require_shapes("poisson_loss", p, t, w, stats.shape, 2, dloss.shape);
  require_shape("poisson_loss", "dp", dp.shape, p.shape);
  const LossOperands o(p, t, w);
  LAUNCH(poisson_loss_backward_kernel, dim3(grid_for(o.count, sample_threads), static_cast<unsigned>(p.shape.n)), sample_threads, 0,
         stream, static_cast<float>(params.floor), o, stats.data, dloss.data, dp.data);
}

}  // namespace fringe::cuda

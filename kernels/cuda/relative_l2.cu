// Strategy: the sums of (2) and of (1)'s denominator in pieces; then every block adds the pieces (that is cheaper than a
// kernel in between), takes its own piece of the numerator; one block a sample finishes. Three launches.
#include "kernels/relative_l2.h"

#include "kernels/cuda/loss.cuh"

namespace fringe::cuda {
namespace {

__global__ void __launch_bounds__(sample_threads) relative_l2_norms_kernel(LossOperands o, double* norms) {
  begin_kernel();
  sum_piece<3>(o.count, norms, [&](Index i, double (&s)[3]) {
    const double w = o.weight(i), a = o.prediction(i), b = o.target(i);
    s[0] += w * a * a;
    s[1] += w * a * b;
    s[2] += w * b * b;
  });
}

__device__ __forceinline__ double fitted_scale(bool fit, const double (&norms)[3]) {
  return !fit ? 1.0 : norms[0] > 0 ? norms[1] / norms[0] : 0.0;  // (2)
}

__global__ void __launch_bounds__(sample_threads)
    relative_l2_difference_kernel(bool fit, LossOperands o, double* norms, double* differences) {
  begin_kernel();
  double n[3];
  add_pieces(n, norms, gridDim.x);
  const double scale = fitted_scale(fit, n);
  sum_piece<1>(o.count, differences, [&](Index i, double (&s)[1]) {
    const double delta = scale * static_cast<double>(o.prediction(i)) - static_cast<double>(o.target(i));
    s[0] += static_cast<double>(o.weight(i)) * delta * delta;
  });
}

__global__ void __launch_bounds__(sample_threads)
    relative_l2_finish_kernel(bool fit, bool root, unsigned pieces, double* norms, double* differences, float* stats, float* loss) {
  begin_kernel();
  double n[3], difference[1];
  add_pieces(n, norms, pieces);
  add_pieces(difference, differences, pieces);
  if (threadIdx.x != 0) return;
  stats[2 * blockIdx.y] = static_cast<float>(fitted_scale(fit, n));
  stats[2 * blockIdx.y + 1] = static_cast<float>(n[2]);
  const double ratio = difference[0] / n[2];  // not a number for a target of zeros
  loss[blockIdx.y] = static_cast<float>(root ? sqrt(ratio) : ratio);  // (1)
}

__global__ void __launch_bounds__(sample_threads)
    relative_l2_backward_kernel(bool root, LossOperands o, const float* stats, const float* loss, const float* dloss, float* dp) {
  begin_kernel();
  const unsigned n = blockIdx.y;
  const float scale = stats[2 * n];
  float factor = 2 * dloss[n] * scale / stats[2 * n + 1];
  if (root) factor = loss[n] > 0 ? factor / (2 * loss[n]) : 0.0F;
  for (Index i = global_thread(); i < o.count; i += global_threads())
    dp[o.first() + i] = factor * o.weight(i) * (scale * o.prediction(i) - o.target(i));  // (3)
}

}  // namespace

void relative_l2_forward(Stream& stream, const RelativeL2Params& params, ConstView<float> p, ConstView<float> t,
                         ConstView<float> w, View<float> stats, View<float> loss) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  const LossOperands o(p, t, w);
  const Index samples = p.shape.n, parts = samples * sample_pieces(o.count);
  auto* norms = stream.scratch<double>(4 * parts);
  double* differences = norms + 3 * parts;
  const dim3 grid = sample_grid(o.count, samples);
  LAUNCH(relative_l2_norms_kernel, grid, sample_threads, 0, stream, o, norms);
  LAUNCH(relative_l2_difference_kernel, grid, sample_threads, 0, stream, params.fit_scale, o, norms, differences);
  LAUNCH(relative_l2_finish_kernel, dim3(1, grid.y), sample_threads, 0, stream, params.fit_scale, params.root, grid.x, norms,
         differences, stats.data, loss.data);
}

void relative_l2_backward(Stream& stream, const RelativeL2Params& params, ConstView<float> p, ConstView<float> t,
                          ConstView<float> w, ConstView<float> stats, ConstView<float> loss, ConstView<float> dloss,
                          View<float> dp) {
  relative_l2::require_shapes("relative_l2", p, t, w, stats.shape, 2, loss.shape);
  require_shape("relative_l2", "dp", dp.shape, p.shape);
  const LossOperands o(p, t, w);
  LAUNCH(relative_l2_backward_kernel, dim3(grid_for(o.count, sample_threads), static_cast<unsigned>(p.shape.n)), sample_threads, 0,
         stream, params.root, o, stats.data, loss.data, dloss.data, dp.data);
}

}  // namespace fringe::cuda

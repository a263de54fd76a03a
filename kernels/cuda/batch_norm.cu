// Strategy: forward in three launches: sums of x and x^2 per channel by pieces of rows, in double (which needs no shift of x:
// the square of a float is exact in double, and mean^2 / var up to 1e8 costs no more digits than float has); one block a
// channel adds the pieces in their order; then a pass that normalises. Backward likewise. Mapping of threads: rows.cuh.
#include "kernels/batch_norm.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/rows.cuh"

namespace fringe::cuda {
namespace {

constexpr Index most_pieces = row_threads;  // so that one thread adds one part

/// Adds up a and b over the threads of each channel, and writes the block's part: parts[piece][2][channels].
__device__ __forceinline__ void write_channel_parts(const Rows& r, double a, double b, double* parts) {
  __shared__ double sums[2][row_threads];
  const int t = static_cast<int>(threadIdx.x);
  sums[0][t] = a;
  sums[1][t] = b;
  for (int half = row_threads / 2; half >= r.lanes; half /= 2) {
    __syncthreads();
    if (t < half) {
      sums[0][t] += sums[0][t + half];
      sums[1][t] += sums[1][t + half];
    }
  }
  if (t < r.lanes && r.channel() < r.channels) {  // this thread has written these sums itself
    double* const part = parts + static_cast<Index>(blockIdx.x) * 2 * r.channels + r.channel();
    part[0] = sums[0][t];
    part[r.channels] = sums[1][t];
  }
}

/// The two sums of channel blockIdx.x, in every thread.
__device__ __forceinline__ void add_channel_parts(int channels, unsigned pieces, const double* parts, double& a, double& b) {
  const double* const part = parts + static_cast<Index>(threadIdx.x) * 2 * channels + blockIdx.x;
  a = block_sum<row_threads>(threadIdx.x < pieces ? part[0] : 0.0);
  b = block_sum<row_threads>(threadIdx.x < pieces ? part[channels] : 0.0);
}

__global__ void __launch_bounds__(row_threads) batch_norm_sums_kernel(Rows r, const float* x, double* parts) {
  begin_kernel();
  double sum = 0, squares = 0;
  const int c = r.channel();
  if (c < r.channels)
    for (Index row = r.first(); row < r.rows; row += r.step()) {
      const auto v = static_cast<double>(x[row * r.channels + c]);
      sum += v;
      squares += v * v;
    }
  write_channel_parts(r, sum, squares, parts);
}

__global__ void __launch_bounds__(row_threads)
    batch_norm_statistics_kernel(Rows r, unsigned pieces, const double* parts, float epsilon, float momentum, float* running_mean,
                                 float* running_var, float* mean, float* rstd) {
  begin_kernel();
  double sum, squares;
  add_channel_parts(r.channels, pieces, parts, sum, squares);
  if (threadIdx.x != 0) return;
  const auto count = static_cast<double>(r.rows);
  const double m = sum / count, difference = squares / count - m * m, var = difference > 0 ? difference : 0.0;  // (1)
  const unsigned c = blockIdx.x;
  mean[c] = static_cast<float>(m);
  rstd[c] = static_cast<float>(1 / sqrt(var + static_cast<double>(epsilon)));
  running_mean[c] += momentum * (static_cast<float>(m) - running_mean[c]);  // (3)
  running_var[c] += momentum * (static_cast<float>(var * count / (count - 1)) - running_var[c]);
}

__global__ void __launch_bounds__(row_threads)
    batch_norm_apply_kernel(Rows r, const float* x, const float* gamma, const float* beta, const float* mean, const float* rstd,
                            float* y) {
  begin_kernel();
  const int c = r.channel();
  if (c >= r.channels) return;
  const float g = gamma[c], b = beta[c], m = mean[c], s = rstd[c];
  for (Index row = r.first(); row < r.rows; row += r.step())
    y[row * r.channels + c] = g * (x[row * r.channels + c] - m) * s + b;  // (2)
}

__global__ void __launch_bounds__(row_threads)
    batch_norm_eval_kernel(Rows r, float epsilon, const float* x, const float* gamma, const float* beta,
                           const float* running_mean, const float* running_var, float* y) {
  begin_kernel();
  const int c = r.channel();
  if (c >= r.channels) return;
  const float g = gamma[c], b = beta[c], m = running_mean[c], deviation = sqrtf(running_var[c] + epsilon);
  for (Index row = r.first(); row < r.rows; row += r.step())
    y[row * r.channels + c] = g * (x[row * r.channels + c] - m) / deviation + b;
}

__global__ void __launch_bounds__(row_threads)
    batch_norm_gradient_sums_kernel(Rows r, const float* x, const float* mean, const float* rstd, const float* dy, double* parts) {
  begin_kernel();
  double sum = 0, sum_xhat = 0;
  const int c = r.channel();
  if (c < r.channels) {
    const float m = mean[c], s = rstd[c];
    for (Index row = r.first(); row < r.rows; row += r.step()) {
      const Index i = row * r.channels + c;
      const auto g = static_cast<double>(dy[i]);
      sum += g;
      sum_xhat += g * static_cast<double>((x[i] - m) * s);
    }
  }
  write_channel_parts(r, sum, sum_xhat, parts);
}

/// totals[2][channels]: the sums in double, for the kernel that follows.
__global__ void __launch_bounds__(row_threads)
    batch_norm_gradient_finish_kernel(Rows r, unsigned pieces, const double* parts, double* totals, float* dgamma, float* dbeta) {
  begin_kernel();
  double sum, sum_xhat;
  add_channel_parts(r.channels, pieces, parts, sum, sum_xhat);
  if (threadIdx.x != 0) return;
  const unsigned c = blockIdx.x;
  totals[c] = sum;
  totals[r.channels + static_cast<int>(c)] = sum_xhat;
  dbeta[c] = static_cast<float>(sum);  // (4)
  dgamma[c] = static_cast<float>(sum_xhat);
}

/// dx may be dy.
__global__ void __launch_bounds__(row_threads)
    batch_norm_backward_kernel(Rows r, const float* x, const float* gamma, const float* mean, const float* rstd,
                               const float* dy, const double* totals, float* dx) {
  begin_kernel();
  const int c = r.channel();
  if (c >= r.channels) return;
  const auto count = static_cast<double>(r.rows);
  const auto a = static_cast<float>(totals[c] / count), b = static_cast<float>(totals[r.channels + c] / count);
  const float g = gamma[c], m = mean[c], s = rstd[c];
  for (Index row = r.first(); row < r.rows; row += r.step()) {
    const Index i = row * r.channels + c;
    dx[i] = g * s * (dy[i] - a - (x[i] - m) * s * b);  // (5)
  }
}

constexpr Index most_apply_blocks = 132 * 8;

}  // namespace

void batch_norm_forward(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                        ConstView<float> beta, View<float> running_mean, View<float> running_var, View<float> mean,
                        View<float> rstd, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape,
                             {gamma.shape, beta.shape, running_mean.shape, running_var.shape, mean.shape, rstd.shape});
  const Rows r(x.shape);
  const dim3 grid = r.grid(most_pieces);
  auto* parts = stream.scratch<double>(2 * x.shape.c * static_cast<Index>(grid.x));
  LAUNCH(batch_norm_sums_kernel, grid, row_threads, 0, stream, r, x.data, parts);
  LAUNCH(batch_norm_statistics_kernel, static_cast<unsigned>(x.shape.c), row_threads, 0, stream, r, grid.x, parts, p.epsilon,
         p.momentum, running_mean.data, running_var.data, mean.data, rstd.data);
  LAUNCH(batch_norm_apply_kernel, r.grid(most_apply_blocks), row_threads, 0, stream, r, x.data, gamma.data, beta.data, mean.data,
         rstd.data, y.data);
}

void batch_norm_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> x, ConstView<float> gamma,
                             ConstView<float> beta, ConstView<float> running_mean, ConstView<float> running_var, View<float> y) {
  batch_norm::require_shapes(x.shape, y.shape, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  const Rows r(x.shape);
  LAUNCH(batch_norm_eval_kernel, r.grid(most_apply_blocks), row_threads, 0, stream, r, p.epsilon, x.data, gamma.data, beta.data,
         running_mean.data, running_var.data, y.data);
}

void batch_norm_backward(Stream& stream, ConstView<float> x, ConstView<float> gamma, ConstView<float> mean, ConstView<float> rstd,
                         ConstView<float> dy, View<float> dx, View<float> dgamma, View<float> dbeta) {
  batch_norm::require_shapes(x.shape, dy.shape, {gamma.shape, mean.shape, rstd.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm", "dx", dx.shape, x.shape);
  const Rows r(x.shape);
  const dim3 grid = r.grid(most_pieces);
  auto* parts = stream.scratch<double>(2 * x.shape.c * (static_cast<Index>(grid.x) + 1));
  double* totals = parts + 2 * x.shape.c * static_cast<Index>(grid.x);
  LAUNCH(batch_norm_gradient_sums_kernel, grid, row_threads, 0, stream, r, x.data, mean.data, rstd.data, dy.data, parts);
  LAUNCH(batch_norm_gradient_finish_kernel, static_cast<unsigned>(x.shape.c), row_threads, 0, stream, r, grid.x, parts, totals,
         dgamma.data, dbeta.data);
  LAUNCH(batch_norm_backward_kernel, r.grid(most_apply_blocks), row_threads, 0, stream, r, x.data, gamma.data, mean.data, rstd.data,
         dy.data, totals, dx.data);
}

}  // namespace fringe::cuda

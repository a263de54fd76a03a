// Strategy: one thread a channel; a few hundred numbers in all.
#include "kernels/batch_norm_fold.h"

#include "kernels/cuda/launch.cuh"

namespace fringe::cuda {
namespace {

constexpr int threads = 128;

__global__ void batch_norm_fold_forward_kernel(int channels, double count, float epsilon, float momentum, const float* statistics,
                                               const float* gamma, const float* beta, float* running_mean, float* running_var,
                                               float* affine) {
  begin_kernel();
  const int c = static_cast<int>(global_thread());
  if (c >= channels) return;
  const double mean = statistics[c], var = statistics[channels + c], unbiased = var * count / (count - 1);
  affine[c] = static_cast<float>(static_cast<double>(gamma[c]) / sqrt(var + static_cast<double>(epsilon)));  // (1)
  affine[channels + c] = statistics[c];
  affine[2 * channels + c] = beta[c];
  running_mean[c] += momentum * (static_cast<float>(mean) - running_mean[c]);  // (2)
  running_var[c] += momentum * (static_cast<float>(unbiased) - running_var[c]);
}

__global__ void batch_norm_fold_eval_kernel(int channels, float epsilon, const float* gamma, const float* beta,
                                            const float* running_mean, const float* running_var, float* affine) {
  begin_kernel();
  const int c = static_cast<int>(global_thread());
  if (c >= channels) return;
  affine[c] = static_cast<float>(static_cast<double>(gamma[c]) /
                                 sqrt(static_cast<double>(running_var[c]) + static_cast<double>(epsilon)));
  affine[channels + c] = running_mean[c];
  affine[2 * channels + c] = beta[c];
}

__global__ void batch_norm_fold_backward_kernel(int channels, double count, float epsilon, const float* statistics,
                                                const float* gamma, const float* daffine, float* dgamma, float* dbeta, float* fold) {
  begin_kernel();
  const int c = static_cast<int>(global_thread());
  if (c >= channels) return;
  const double mean = statistics[c], var = statistics[channels + c], g = gamma[c];
  const double rstd = 1 / sqrt(var + static_cast<double>(epsilon)), dscale = daffine[c], dcentre = daffine[channels + c];
  dgamma[c] = static_cast<float>(rstd * dscale);  // (3)
  dbeta[c] = daffine[2 * channels + c];
  const double t = -g * rstd * rstd * rstd * dscale / count;  // (4)
  fold[c] = static_cast<float>(g * rstd);
  fold[channels + c] = static_cast<float>(t);
  fold[2 * channels + c] = static_cast<float>(dcentre / count - t * mean);
}

void require_vectors(Index channels, std::initializer_list<Shape> vectors) {
  for (const Shape& v : vectors) require_shape("batch_norm_fold", "a vector over channels", v, channel_vector(channels));
}

unsigned grid(Index channels) { return static_cast<unsigned>(blocks_for<Index>(channels, threads)); }

}  // namespace

void batch_norm_fold_forward(Stream& stream, const BatchNormParams<float>& p, Index count, ConstView<float> statistics,
                             ConstView<float> gamma, ConstView<float> beta, View<float> running_mean, View<float> running_var,
                             View<float> affine) {
  const Index channels = gamma.shape.c;
  require(count > 1, "batch_norm_fold: statistics need more than one value per channel, there are {}", count);
  require_vectors(channels, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  require_shape("batch_norm_fold", "statistics", statistics.shape, batch_norm_fold::statistics_shape(channels));
  require_shape("batch_norm_fold", "affine", affine.shape, batch_norm_fold::affine_shape(channels));
  LAUNCH(batch_norm_fold_forward_kernel, grid(channels), threads, 0, stream, static_cast<int>(channels), static_cast<double>(count),
         p.epsilon, p.momentum, statistics.data, gamma.data, beta.data, running_mean.data, running_var.data, affine.data);
}

void batch_norm_fold_forward_eval(Stream& stream, const BatchNormParams<float>& p, ConstView<float> gamma, ConstView<float> beta,
                                  ConstView<float> running_mean, ConstView<float> running_var, View<float> affine) {
  const Index channels = gamma.shape.c;
  require_vectors(channels, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  require_shape("batch_norm_fold", "affine", affine.shape, batch_norm_fold::affine_shape(channels));
  LAUNCH(batch_norm_fold_eval_kernel, grid(channels), threads, 0, stream, static_cast<int>(channels), p.epsilon, gamma.data, beta.data,
         running_mean.data, running_var.data, affine.data);
}

void batch_norm_fold_backward(Stream& stream, const BatchNormParams<float>& p, Index count, ConstView<float> statistics,
                              ConstView<float> gamma, ConstView<float> daffine, View<float> dgamma, View<float> dbeta,
                              View<float> fold) {
  const Index channels = gamma.shape.c;
  require_vectors(channels, {gamma.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm_fold", "statistics", statistics.shape, batch_norm_fold::statistics_shape(channels));
  require_shape("batch_norm_fold", "daffine", daffine.shape, batch_norm_fold::affine_shape(channels));
  require_shape("batch_norm_fold", "fold", fold.shape, batch_norm_fold::affine_shape(channels));
  LAUNCH(batch_norm_fold_backward_kernel, grid(channels), threads, 0, stream, static_cast<int>(channels), static_cast<double>(count),
         p.epsilon, statistics.data, gamma.data, daffine.data, dgamma.data, dbeta.data, fold.data);
}

}  // namespace fringe::cuda

#include "kernels/batch_norm_fold.h"

#include <cmath>

namespace fringe::reference {
namespace {

void require_vectors(Index channels, std::initializer_list<Shape> vectors) {
  for (const Shape& v : vectors) require_shape("batch_norm_fold", "a vector over channels", v, channel_vector(channels));
}

}  // namespace

template <class T>
void batch_norm_fold_forward(Stream&, const BatchNormParams<T>& p, Index count, ConstView<T> statistics, ConstView<T> gamma,
                             ConstView<T> beta, View<T> running_mean, View<T> running_var, View<T> affine) {
  const Index channels = gamma.shape.c;
  require(count > 1, "batch_norm_fold: statistics need more than one value per channel, there are {}", count);
  require_vectors(channels, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  require_shape("batch_norm_fold", "statistics", statistics.shape, batch_norm_fold::statistics_shape(channels));
  require_shape("batch_norm_fold", "affine", affine.shape, batch_norm_fold::affine_shape(channels));
  for (Index c = 0; c < channels; ++c) {
    const auto mean = static_cast<double>(statistics[c]), var = static_cast<double>(statistics[channels + c]);
    const double unbiased = var * static_cast<double>(count) / static_cast<double>(count - 1);
    affine[c] = static_cast<T>(static_cast<double>(gamma[c]) / std::sqrt(var + static_cast<double>(p.epsilon)));  // (1)
    affine[channels + c] = statistics[c];
    affine[2 * channels + c] = beta[c];
    running_mean[c] += p.momentum * (static_cast<T>(mean) - running_mean[c]);  // (2)
    running_var[c] += p.momentum * (static_cast<T>(unbiased) - running_var[c]);
  }
}

template <class T>
void batch_norm_fold_forward_eval(Stream&, const BatchNormParams<T>& p, ConstView<T> gamma, ConstView<T> beta,
                                  ConstView<T> running_mean, ConstView<T> running_var, View<T> affine) {
  const Index channels = gamma.shape.c;
  require_vectors(channels, {gamma.shape, beta.shape, running_mean.shape, running_var.shape});
  require_shape("batch_norm_fold", "affine", affine.shape, batch_norm_fold::affine_shape(channels));
  for (Index c = 0; c < channels; ++c) {
    affine[c] = static_cast<T>(static_cast<double>(gamma[c]) /
                               std::sqrt(static_cast<double>(running_var[c]) + static_cast<double>(p.epsilon)));
    affine[channels + c] = running_mean[c];
    affine[2 * channels + c] = beta[c];
  }
}

template <class T>
void batch_norm_fold_backward(Stream&, const BatchNormParams<T>& p, Index count, ConstView<T> statistics, ConstView<T> gamma,
                              ConstView<T> daffine, View<T> dgamma, View<T> dbeta, View<T> fold) {
  const Index channels = gamma.shape.c;
  require_vectors(channels, {gamma.shape, dgamma.shape, dbeta.shape});
  require_shape("batch_norm_fold", "statistics", statistics.shape, batch_norm_fold::statistics_shape(channels));
  require_shape("batch_norm_fold", "daffine", daffine.shape, batch_norm_fold::affine_shape(channels));
  require_shape("batch_norm_fold", "fold", fold.shape, batch_norm_fold::affine_shape(channels));
  const auto m = static_cast<double>(count);
  for (Index c = 0; c < channels; ++c) {
    const auto mean = static_cast<double>(statistics[c]), var = static_cast<double>(statistics[channels + c]);
    const double rstd = 1 / std::sqrt(var + static_cast<double>(p.epsilon)), g = static_cast<double>(gamma[c]);
    const auto dscale = static_cast<double>(daffine[c]), dcentre = static_cast<double>(daffine[channels + c]);
    dgamma[c] = static_cast<T>(rstd * dscale);  // (3)
    dbeta[c] = daffine[2 * channels + c];
    const double t = -g * rstd * rstd * rstd * dscale / m;  // (4)
    fold[c] = static_cast<T>(g * rstd);
    fold[channels + c] = static_cast<T>(t);
    fold[2 * channels + c] = static_cast<T>(dcentre / m - t * mean);
  }
}

template BatchNormFoldForward<float> batch_norm_fold_forward<float>;
template BatchNormFoldForward<double> batch_norm_fold_forward<double>;
template BatchNormFoldForwardEval<float> batch_norm_fold_forward_eval<float>;
template BatchNormFoldForwardEval<double> batch_norm_fold_forward_eval<double>;
template BatchNormFoldBackward<float> batch_norm_fold_backward<float>;
template BatchNormFoldBackward<double> batch_norm_fold_backward<double>;

}  // namespace fringe::reference

// The differentiable operations: each in the file of its name, each over the kernel of that name, whose contract
// (kernels/<op>.h) states equations, shapes and numerics.
#pragma once
#include <optional>
#include <vector>

#include "autograd/tape.h"

namespace fringe::autograd {

// ---- network ---------------------------------------------------------------------------------------------------------
/// b may be an empty Variable.
template <class T>
Variable<T> conv3d(const Variable<T>& x, const Variable<T>& w, const Variable<T>& b);

/// 3x1x1 -> 1x3x1 -> 1x1x3 with their biases.
template <class T>
Variable<T> separable_conv3d(const Variable<T>& x, const SeparableWeights<Variable<T>>& weights);

/// Replaces the value of x, which must not be used again: the gradient needs the result alone.
template <class T>
Variable<T> leaky_relu(const Variable<T>& x, T slope);

/// Normalises by the statistics of x, and updates the running ones.
template <class T>
Variable<T> batch_norm(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta, Buffer<T>& running_mean,
                       Buffer<T>& running_var);
/// Normalises by the running statistics: for inference, without gradient.
template <class T>
Variable<T> batch_norm_eval(const Variable<T>& x, const Variable<T>& gamma, const Variable<T>& beta,
                            const Buffer<T>& running_mean, const Buffer<T>& running_var);

// The fused operations pass on Activations: what they have computed, and what is still to be done to it. Its user does that
// while it reads.
template <class T>
struct Activation {
  Variable<T> x;
  Variable<T> affine;      ///< a pending normalisation (kernels/batch_norm_fold.h); may be an empty Variable
  bool upsampled = false;  ///< read with every voxel as 2x2x2

  bool normalised() const { return affine != Variable<T>{}; }
  Reading<T> reading() const {
    return {x.value().read(), normalised() ? affine.value().read() : ConstView<T>{}, upsampled};
  }
};

/// Batch normalisation as the end of a fused operation.
template <class T>
struct FusedNorm {
  Variable<T> gamma, beta;
  Buffer<T>*running_mean, *running_var;
  bool eval = false;  ///< by the running statistics: for inference, without gradient
};

/// What follows the convolution: LeakyReLU (slope 1: none), normalisation, pooling.
template <class T>
struct FusedEnd {
  T slope = 1;
  std::optional<FusedNorm<T>> norm;
  bool pool = false;  ///< 2x2x2, the largest
};

template <class T>
Activation<T> fused_conv3d(const Activation<T>& x, const Variable<T>& w, const Variable<T>& b, const FusedEnd<T>& end);
template <class T>
Activation<T> fused_separable_conv3d(const Activation<T>& x, const SeparableWeights<Variable<T>>& weights, const FusedEnd<T>& end);

template <class T>
Variable<T> max_pool(const Variable<T>& x);
template <class T>
Variable<T> upsample_nearest(const Variable<T>& x);
template <class T>
Variable<T> upsample_trilinear(const Variable<T>& x);
template <class T>
Variable<T> scaled_tanh(const Variable<T>& x, T scale);

// ---- diffraction -----------------------------------------------------------------------------------------------------
template <class T>
Variable<T> polar(const Variable<T>& amplitude, const Variable<T>& phase);
/// `frame`: D, H and W of the result.
template <class T>
Variable<T> pad_centred(const Variable<T>& x, const Shape& frame);
template <class T>
Variable<T> fft3d(const Variable<T>& x);
template <class T>
Variable<T> modulus(const Variable<T>& z, T epsilon);
template <class T>
Variable<T> intensity(const Variable<T>& z);
/// The modulus m under illumination of this coherence (kernels/partial_coherence.h).
template <class T>
Variable<T> partial_coherence(const Variable<T>& m, const CoherenceKernel<Tensor<T>>& k, T epsilon);
/// polar, pad_centred, fft3d and modulus in one.
template <class T>
Variable<T> fused_diffraction(const Variable<T>& amplitude, const Variable<T>& phase, const Shape& frame, T epsilon);

// ---- losses: one number per sample -----------------------------------------------------------------------------------
// `weights` may be an empty tensor; targets and weights are constants.
template <class T>
Variable<T> relative_l2(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                        const RelativeL2Params& params = {});
template <class T>
Variable<T> pearson_loss(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                         const PearsonLossParams& params = {});
template <class T>
Variable<T> poisson_loss(const Variable<T>& p, const Tensor<T>& target, const Tensor<T>& weights,
                         const PoissonLossParams& params = {});
template <class T>
Variable<T> uniform_density(const Variable<T>& amplitude);
/// log(x + offset)
template <class T>
Variable<T> log(const Variable<T>& x, T offset = T(0));
/// a (1,1,1,1,K): one weight for each of the x, which may be another at each replay of a recorded step (engine/replay.h).
template <class T>
Variable<T> weighted_sum(const Tensor<T>& a, const std::vector<Variable<T>>& x);
/// The same with constants.
template <class T>
Variable<T> weighted_sum(const std::vector<T>& a, const std::vector<Variable<T>>& x);

}  // namespace fringe::autograd

// One slot per kernel and backend: the only place where a backend is chosen.
#pragma once
#include "kernels/accumulate.h"
#include "kernels/adam.h"
#include "kernels/add.h"
#include "kernels/batch_norm.h"
#include "kernels/batch_norm_fold.h"
#include "kernels/choose_smaller.h"
#include "kernels/conv3d.h"
#include "kernels/crystal.h"
#include "kernels/crystal_targets.h"
#include "kernels/fft3d.h"
#include "kernels/fused_conv3d.h"
#include "kernels/fused_diffraction.h"
#include "kernels/fused_max_pool.h"
#include "kernels/fused_separable_conv3d.h"
#include "kernels/leaky_relu.h"
#include "kernels/likelihood_step.h"
#include "kernels/max_pool.h"
#include "kernels/modulus.h"
#include "kernels/modulus_projection.h"
#include "kernels/pad_centred.h"
#include "kernels/partial_coherence.h"
#include "kernels/pattern_input.h"
#include "kernels/pearson_loss.h"
#include "kernels/philox.h"
#include "kernels/photon_noise.h"
#include "kernels/poisson_loss.h"
#include "kernels/polar.h"
#include "kernels/relative_l2.h"
#include "kernels/scalars.h"
#include "kernels/scaled_tanh.h"
#include "kernels/separable_conv3d.h"
#include "kernels/sgd.h"
#include "kernels/shrink_support.h"
#include "kernels/support_update.h"
#include "kernels/uniform_density.h"
#include "kernels/upsample_nearest.h"
#include "kernels/upsample_trilinear.h"
#include "kernels/wrapped_fft3d.h"

namespace fringe {

/// A backend's kernels. A slot may be empty (nullptr): callers go through `kernel()`, which names what is missing.
template <class T>
struct KernelTable {
  const char* backend;
  Accumulate<T>* accumulate = nullptr;
  AdamStep<T>* adam_step = nullptr;
  Add<T>* add = nullptr;
  AutocorrelationInput<T>* autocorrelation_input = nullptr;
  BatchNormForward<T>* batch_norm_forward = nullptr;
  BatchNormForwardEval<T>* batch_norm_forward_eval = nullptr;
  BatchNormBackward<T>* batch_norm_backward = nullptr;
  BatchNormFoldForward<T>* batch_norm_fold_forward = nullptr;
  BatchNormFoldForwardEval<T>* batch_norm_fold_forward_eval = nullptr;
  BatchNormFoldBackward<T>* batch_norm_fold_backward = nullptr;
  BlurredAmplitude<T>* blurred_amplitude = nullptr;
  ChargeFlip<T>* charge_flip = nullptr;
  ChooseSmaller<T>* choose_smaller = nullptr;
  ComplexIntensity<T>* complex_intensity = nullptr;
  Conv3dForward<T>* conv3d_forward = nullptr;
  Conv3dBackwardData<T>* conv3d_backward_data = nullptr;
  Conv3dBackwardWeights<T>* conv3d_backward_weights = nullptr;
  CrystalDensity<T>* crystal_density = nullptr;
  CrystalObject<T>* crystal_object = nullptr;
  CrystalTargets<T>* crystal_targets = nullptr;
  DensitySums<T>* density_sums = nullptr;
  Fft3d<T>* fft3d_forward = nullptr;
  Fft3d<T>* fft3d_backward = nullptr;
  FusedConv3dForward<T>* fused_conv3d_forward = nullptr;
  FusedConv3dBackwardData<T>* fused_conv3d_backward_data = nullptr;
  FusedConv3dBackwardWeights<T>* fused_conv3d_backward_weights = nullptr;
  FusedDiffractionForward<T>* fused_diffraction_forward = nullptr;
  FusedDiffractionBackward<T>* fused_diffraction_backward = nullptr;
  FusedMaxPoolForward<T>* fused_max_pool_forward = nullptr;
  FusedSeparableConv3dForward<T>* fused_separable_conv3d_forward = nullptr;
  FusedSeparableConv3dBackward<T>* fused_separable_conv3d_backward = nullptr;
  PacksBfloat16* packs_bfloat16 = nullptr;  ///< empty: it does not
  SeparableKeepsAll* separable_keeps_all = nullptr;  ///< empty: it always does
  GaussianFilter<T>* gaussian_filter = nullptr;
  IntensityForward<T>* intensity_forward = nullptr;
  IntensityBackward<T>* intensity_backward = nullptr;
  LeakyReluForward<T>* leaky_relu_forward = nullptr;
  LeakyReluBackward<T>* leaky_relu_backward = nullptr;
  LikelihoodGradient<T>* likelihood_gradient = nullptr;
  LikelihoodProducts<T>* likelihood_products = nullptr;
  LikelihoodDirection<T>* likelihood_direction = nullptr;
  LikelihoodSearch<T>* likelihood_search = nullptr;
  LikelihoodAdvance<T>* likelihood_advance = nullptr;
  LogForward<T>* log_forward = nullptr;
  LogBackward<T>* log_backward = nullptr;
  MaxPoolForward<T>* max_pool_forward = nullptr;
  MaxPoolBackward<T>* max_pool_backward = nullptr;
  ModulusForward<T>* modulus_forward = nullptr;
  ModulusBackward<T>* modulus_backward = nullptr;
  ModulusProjection<T>* modulus_projection = nullptr;
  PadCentredForward<T>* pad_centred_forward = nullptr;
  PadCentredBackward<T>* pad_centred_backward = nullptr;
  PartialCoherenceForward<T>* partial_coherence_forward = nullptr;
  PartialCoherenceBackward<T>* partial_coherence_backward = nullptr;
  PatternAmplitude<T>* pattern_amplitude = nullptr;
  PearsonLossForward<T>* pearson_loss_forward = nullptr;
  PearsonLossBackward<T>* pearson_loss_backward = nullptr;
  PhaseNoise<T>* phase_noise = nullptr;
  PhiloxFill<T>* philox_uniform = nullptr;
  PhiloxFill<T>* philox_normal = nullptr;
  PhotonNoise<T>* photon_noise = nullptr;
  PoissonLossForward<T>* poisson_loss_forward = nullptr;
  PoissonLossBackward<T>* poisson_loss_backward = nullptr;
  PolarForward<T>* polar_forward = nullptr;
  PolarBackward<T>* polar_backward = nullptr;
  RelativeAmplitude<T>* relative_amplitude = nullptr;
  RelativeL2Forward<T>* relative_l2_forward = nullptr;
  RelativeL2Backward<T>* relative_l2_backward = nullptr;
  Roll<T>* roll = nullptr;
  ScaledTanhForward<T>* scaled_tanh_forward = nullptr;
  ScaledTanhBackward<T>* scaled_tanh_backward = nullptr;
  SeparableConv3dForward<T>* separable_conv3d_forward = nullptr;
  SeparableConv3dBackward<T>* separable_conv3d_backward = nullptr;
  SgdStep<T>* sgd_step = nullptr;
  ShrinkSupport<T>* shrink_support = nullptr;
  SupportUpdate<T>* support_update = nullptr;
  UniformDensityForward<T>* uniform_density_forward = nullptr;
  UniformDensityBackward<T>* uniform_density_backward = nullptr;
  UpsampleNearestForward<T>* upsample_nearest_forward = nullptr;
  UpsampleNearestBackward<T>* upsample_nearest_backward = nullptr;
  UpsampleTrilinearForward<T>* upsample_trilinear_forward = nullptr;
  UpsampleTrilinearBackward<T>* upsample_trilinear_backward = nullptr;
  WeightedSumForward<T>* weighted_sum_forward = nullptr;
  WeightedSumBackward<T>* weighted_sum_backward = nullptr;
  Fft3d<T>* wrapped_fft3d_forward = nullptr;
  Fft3d<T>* wrapped_fft3d_backward = nullptr;
};

/// The slot, or an Error that names backend and kernel. Never a silent fall-back.
template <class T, class F>
F* kernel(const KernelTable<T>& table, F* KernelTable<T>::* slot, const char* name) {
  F* f = table.*slot;
  require(f != nullptr, "{}: not implemented by backend '{}'", name, table.backend);
  return f;
}

namespace reference {
template <class T>
const KernelTable<T>& table();
}
namespace cpu {
const KernelTable<float>& table();
}
namespace cuda {
const KernelTable<float>& table();  ///< throws Error in a build without the CUDA backend
}

}  // namespace fringe

// The loss of supervised training (Wu et al. 2021, Eq. 6), for a batch, made blind to the twin.
//
//   (1)  l = [a1 L1 + a2 L2 + a3 L3] / (a1 + a2 + a3)
//   L1 = sum (a_p - a_g)^2 / sum a_g^2,   L3 = 1 - Pearson's correlation of |F_p| and |F_g|
//   paper:  L2 = sum (phi_p - phi_g)^2 / sum phi_g^2       phases >= 0, zero outside the crystal
//   field:  L2 = sum |rho_p - rho_g|^2 / sum |rho_g|^2     rho = a exp(i phi): a phase counts where there is crystal
//
// A crystal and its twin conj(rho(-r)) have the same pattern, so no network can tell which of them is the target. The
// loss of a sample is the smaller one of those towards both: its gradient is that of the smaller one. L3 is the same
// for both.
#pragma once
#include "layers/network.h"

namespace fringe {

enum class PhaseTerm { paper, field };

template <class T>
struct SupervisedTargets {
  struct Image {
    Tensor<T> amplitude, phase;  ///< (N,d,h,w,1)
    Tensor<T> field;             ///< (N,d,h,w,2)
  };
  Image given, twin;    ///< twin may be empty: then only the given image counts
  Tensor<T> magnitude;  ///< |F_g|, any scale (N,2d,2h,2w,1)
};

struct SupervisedWeights {
  double amplitude = 1, phase = 1, diffraction = 1;
  PhaseTerm term = PhaseTerm::paper;
};

/// One number per sample.
template <class T>
Variable<T> supervised_loss(const typename Network<T>::Output& output, const SupervisedTargets<T>& targets,
                            const SupervisedWeights& weights);

}  // namespace fringe

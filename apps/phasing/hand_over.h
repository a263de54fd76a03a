// The hand-over from any other method to the network: before it is fitted to a pattern, it is fitted to a crystal.
//
//   loss = ( sum (a - a_g)^2 / sum a_g^2 + sum |rho - rho_g|^2 / sum |rho_g|^2 ) / 2,   rho = a exp(i phi)               (1)
//
// g: the given crystal. The first term is L1 of Wu et al. 2021, Eq. 6; the second counts a phase where there is crystal, and
// does not know of branches, so that strongly strained crystals need no unwrapping.
#pragma once
#include <atomic>
#include <functional>

#include "apps/phasing/fourier.h"
#include "layers/network.h"

namespace fringe {

struct HandOverOptions {
  Index epochs = 500;    ///< at most; 200 leave three times the misfit
  double rate = 0.005;   ///< of ADAM, falling as a cosine
  double enough = 1e-3;  ///< of (1): it ends when the loss is less
};

struct HandedOver {
  Index epochs = 0;
  double misfit = 1;  ///< square root of the second term of (1), in the last epoch
};

/// Fits `network`, which sees `input` (1,2d,2h,2w,C), to `object` (d,h,w), of density about 1. `progress` gets epoch and
/// misfit; ends at once when `stop` is not zero.
HandedOver hand_over(Context<float>& context, Network<float>& network, const Tensor<float>& input,
                     const Volume<Complex>& object, const HandOverOptions& options,
                     const std::function<void(Index, double)>& progress, const std::atomic<int>& stop);

}  // namespace fringe

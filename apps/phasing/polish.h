// The last touch on a network's result: the voxels themselves as unknowns.
//
// A network draws smooth things; what it cannot draw stays in chi^2. Here amplitude and phase of every voxel of the crystal
// are fitted by gradient descent (ADAM) on the network's own loss, from the network's result. Voxels where the network drew
// nothing stay empty: they have no gradient (ReLU), so the network's shape, and one layer of voxels around it, is the
// support. Noise would be fitted too, given time: the held-out voxels tell when that begins, and the state of smallest free
// LLK is kept - on a pattern where photon noise is all that is left, the network's own.
#pragma once
#include <atomic>
#include <limits>

#include "apps/phasing/network_fit.h"

namespace fringe {

struct PolishOptions {
  Index steps = 300;       ///< at most
  double rate = 0.003;     ///< of ADAM: change of amplitude [density level] and phase [rad] per step, falling as a cosine
  Index interval = 20;     ///< steps between looks at the free LLK
  Index patience = 5;      ///< looks without a better free LLK after which it ends
  double margin = 0.02;    ///< density given to the empty voxels around the crystal [density level]
  double time_limit = std::numeric_limits<double>::infinity();  ///< [s]
};

struct Polished {
  Volume<Complex> object;
  Index steps = 0;      ///< done when `object` was the best; 0: the object is the one that came in
  double free_llk = 0;  ///< of `object`
};

/// Without held-out voxels there is nothing that could tell when to stop: then nothing is done.
Polished polish(Context<float>& context, const FitProblem& problem, const Volume<Complex>& object,
                const PolishOptions& options, const std::atomic<int>& stop);

}  // namespace fringe

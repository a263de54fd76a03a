// sgd: one step of stochastic gradient descent with momentum over all parameters at once.
//
//   (1)  m = momentum * m + g
//   (2)  x = x - rate * m
//
// Shapes   rate (1,1,1,1,1), where the parameters lie: it changes from step to step (see adam.h).
// Source   Polyak, "Some methods of speeding up the convergence of iteration methods", 1964,
//          doi:10.1016/0041-5553(64)90137-5 (in the form PyTorch uses).
#pragma once
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct SgdSlot {
  View<T> value;
  ConstView<T> gradient;
  View<T> m;  ///< zero before the first step
};

struct SgdParams {
  double momentum = 0;
};

template <class T>
using SgdStep = void(Stream&, const SgdParams&, ConstView<T> rate, std::span<const SgdSlot<T>>);

namespace reference {
template <class T>
SgdStep<T> sgd_step;
}
namespace cpu {
SgdStep<float> sgd_step;
}
namespace cuda {
SgdStep<float> sgd_step;
}

}  // namespace fringe

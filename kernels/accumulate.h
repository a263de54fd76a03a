// accumulate: sums over the micro-batches of a step, of all gradients or statistics of a network at once.
//
//   (1)  y = y + x / divisor
//   (2)  y = x / divisor                     `overwrite`: the first of the sum, or, with divisor 1, a copy
//
// Shapes   x and y of a slot alike, any shape.
// Aliases  y of a slot may be its x.
// Numerics one division and one addition in T: the same bits on every backend, and in whatever pieces.
// Cost     moves three arrays, two with `overwrite`.
#pragma once
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
struct AccumulateSlot {
  ConstView<T> x;
  View<T> y;
};

template <class T>
struct AccumulateParams {
  bool overwrite = false;
  T divisor = 1;
};

template <class T>
using Accumulate = void(Stream&, const AccumulateParams<T>&, std::span<const AccumulateSlot<T>>);

namespace reference {
template <class T>
Accumulate<T> accumulate;
}
namespace cpu {
Accumulate<float> accumulate;
}
namespace cuda {
Accumulate<float> accumulate;
}

}  // namespace fringe

// add: y = a + b, the sum of two gradients that reach the same value.
//
// Shapes   all alike, any shape. In place is allowed (y = a).
// Cost     moves three arrays.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using Add = void(Stream&, ConstView<T> a, ConstView<T> b, View<T> y);

namespace reference {
template <class T>
Add<T> add;
}
namespace cpu {
Add<float> add;
}
namespace cuda {
Add<float> add;
}

}  // namespace fringe

// leaky_relu: the network's activation.
//
//   (1)  y = x          for x > 0
//        y = slope * x  otherwise                       0 <= slope < 1; slope = 0 is the plain ReLU
//   (2)  dx = dy * (y > 0 ? 1 : slope)
//
// Shapes   x, y, dx, dy all alike, any shape. In place is allowed (y = x, dx = dy).
// Saved    y. Its sign is that of x, so the input need not be kept. With slope = 0, y = 0 gives dx = 0.
// Cost     one multiplication an element; forward moves 2 arrays, backward 3.
// Source   Maas, Hannun, Ng, "Rectifier nonlinearities improve neural network acoustic models", ICML 2013.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using LeakyReluForward = void(Stream&, T slope, ConstView<T> x, View<T> y);
template <class T>
using LeakyReluBackward = void(Stream&, T slope, ConstView<T> y, ConstView<T> dy, View<T> dx);

namespace leaky_relu {
Cost cost(const Shape& x, std::size_t element_bytes);  ///< forward
}

namespace reference {
template <class T>
LeakyReluForward<T> leaky_relu_forward;
template <class T>
LeakyReluBackward<T> leaky_relu_backward;
}  // namespace reference
namespace cpu {
LeakyReluForward<float> leaky_relu_forward;
LeakyReluBackward<float> leaky_relu_backward;
}  // namespace cpu
namespace cuda {
LeakyReluForward<float> leaky_relu_forward;
LeakyReluBackward<float> leaky_relu_backward;
}  // namespace cuda

}  // namespace fringe

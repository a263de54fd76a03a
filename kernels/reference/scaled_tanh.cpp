#include "kernels/scaled_tanh.h"

#include <cmath>

namespace fringe::reference {

template <class T>
void scaled_tanh_forward(Stream&, T scale, ConstView<T> x, View<T> y) {
  require_shape("scaled_tanh", "y", y.shape, x.shape);
  for (Index i = 0; i < x.size(); ++i) y[i] = scale * std::tanh(x[i]);  // (1)
}

template <class T>
void scaled_tanh_backward(Stream&, T scale, ConstView<T> y, ConstView<T> dy, View<T> dx) {
  require_shape("scaled_tanh", "dy", dy.shape, y.shape);
  require_shape("scaled_tanh", "dx", dx.shape, y.shape);
  for (Index i = 0; i < y.size(); ++i) dx[i] = dy[i] * (scale - y[i] * y[i] / scale);  // (2)
}

template ScaledTanhForward<float> scaled_tanh_forward<float>;
template ScaledTanhForward<double> scaled_tanh_forward<double>;
template ScaledTanhBackward<float> scaled_tanh_backward<float>;
template ScaledTanhBackward<double> scaled_tanh_backward<double>;

}  // namespace fringe::reference

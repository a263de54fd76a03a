#include "kernels/leaky_relu.h"

namespace fringe {

Cost leaky_relu::cost(const Shape& x, std::size_t element_bytes) {
  const auto n = static_cast<double>(x.size());
  return {.flops = n, .bytes = 2 * n * static_cast<double>(element_bytes)};
}

namespace reference {

template <class T>
void leaky_relu_forward(Stream&, T slope, ConstView<T> x, View<T> y) {
  require_shape("leaky_relu", "y", y.shape, x.shape);
  for (Index i = 0; i < x.size(); ++i) y[i] = x[i] > 0 ? x[i] : slope * x[i];  // (1)
}

template <class T>
void leaky_relu_backward(Stream&, T slope, ConstView<T> y, ConstView<T> dy, View<T> dx) {
  require_shape("leaky_relu", "dy", dy.shape, y.shape);
  require_shape("leaky_relu", "dx", dx.shape, y.shape);
  for (Index i = 0; i < y.size(); ++i) dx[i] = y[i] > 0 ? dy[i] : slope * dy[i];  // (2)
}

template LeakyReluForward<float> leaky_relu_forward<float>;
template LeakyReluForward<double> leaky_relu_forward<double>;
template LeakyReluBackward<float> leaky_relu_backward<float>;
template LeakyReluBackward<double> leaky_relu_backward<double>;

}  // namespace reference
}  // namespace fringe

// Strategy: as leaky_relu. tanhf is within two units of the last place.
#include "kernels/scaled_tanh.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

__global__ void scaled_tanh_forward_kernel(float scale, const float* x, float* y, Index n) {
  begin_kernel();
  map(n, y, [scale](float v) { return scale * tanhf(v); }, x);  // (1)
}

__global__ void scaled_tanh_backward_kernel(float scale, const float* y, const float* dy, float* dx, Index n) {
  begin_kernel();
  map(n, dx, [scale](float v, float g) { return g * (scale - v * v / scale); }, y, dy);  // (2)
}

}  // namespace

void scaled_tanh_forward(Stream& stream, float scale, ConstView<float> x, View<float> y) {
  require_shape("scaled_tanh", "y", y.shape, x.shape);
  LAUNCH(scaled_tanh_forward_kernel, elementwise_grid(x.size()), elementwise_threads, 0, stream, scale, x.data, y.data, x.size());
}

void scaled_tanh_backward(Stream& stream, float scale, ConstView<float> y, ConstView<float> dy, View<float> dx) {
  require_shape("scaled_tanh", "dy", dy.shape, y.shape);
  require_shape("scaled_tanh", "dx", dx.shape, y.shape);
  LAUNCH(scaled_tanh_backward_kernel, elementwise_grid(y.size()), elementwise_threads, 0, stream, scale, y.data, dy.data, dx.data,
         y.size());
}

}  // namespace fringe::cuda

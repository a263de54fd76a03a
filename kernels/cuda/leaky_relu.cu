// Strategy: the array is one flat run of floats; a thread takes four at a time, the grid strides over the rest.
#include "kernels/leaky_relu.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

__global__ void leaky_relu_forward_kernel(float slope, const float* x, float* y, Index n) {
  begin_kernel();
  map(n, y, [slope](float v) { return v > 0 ? v : slope * v; }, x);  // (1)
}

__global__ void leaky_relu_backward_kernel(float slope, const float* y, const float* dy, float* dx, Index n) {
  begin_kernel();
  map(n, dx, [slope](float v, float g) { return v > 0 ? g : slope * g; }, y, dy);  // (2)
}

}  // namespace

void leaky_relu_forward(Stream& stream, float slope, ConstView<float> x, View<float> y) {
  require_shape("leaky_relu", "y", y.shape, x.shape);
  LAUNCH(leaky_relu_forward_kernel, elementwise_grid(x.size()), elementwise_threads, 0, stream, slope, x.data, y.data,
         x.size());
}

void leaky_relu_backward(Stream& stream, float slope, ConstView<float> y, ConstView<float> dy, View<float> dx) {
  require_shape("leaky_relu", "dy", dy.shape, y.shape);
  require_shape("leaky_relu", "dx", dx.shape, y.shape);
  LAUNCH(leaky_relu_backward_kernel, elementwise_grid(y.size()), elementwise_threads, 0, stream, slope, y.data, dy.data,
         dx.data, y.size());
}

}  // namespace fringe::cuda

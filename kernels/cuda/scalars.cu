// Strategy: as leaky_relu. weighted_sum also adds whole volumes (the initial phase), so it is no small operation; its terms
// travel as parameters of the kernel (__grid_constant__: indexed where they lie, not copied to local memory).
#include "kernels/scalars.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

constexpr int most_terms = 8;
struct Terms {
  const float* x[most_terms];
  const float* a;
  int count;
};

__global__ void log_forward_kernel(float offset, const float* x, float* y, Index n) {
  begin_kernel();
  map(n, y, [offset](float v) { return logf(v + offset); }, x);  // (1)
}

__global__ void log_backward_kernel(float offset, const float* x, const float* dy, float* dx, Index n) {
  begin_kernel();
  map(n, dx, [offset](float v, float g) { return g / (v + offset); }, x, dy);  // (2)
}

__global__ void weighted_sum_forward_kernel(const __grid_constant__ Terms terms, float* y, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) {
    float sum = 0;
    for (int k = 0; k < terms.count; ++k) sum += terms.a[k] * terms.x[k][i];  // (3)
    y[i] = sum;
  }
}

__global__ void weighted_sum_backward_kernel(const float* a, const float* dy, float* dx, Index n) {
  begin_kernel();
  map(n, dx, [factor = *a](float g) { return factor * g; }, dy);  // (4)
}

}  // namespace

void log_forward(Stream& stream, float offset, ConstView<float> x, View<float> y) {
  require_shape("log", "y", y.shape, x.shape);
  LAUNCH(log_forward_kernel, elementwise_grid(x.size()), elementwise_threads, 0, stream, offset, x.data, y.data, x.size());
}

void log_backward(Stream& stream, float offset, ConstView<float> x, ConstView<float> dy, View<float> dx) {
  require_shape("log", "dy", dy.shape, x.shape);
  require_shape("log", "dx", dx.shape, x.shape);
  LAUNCH(log_backward_kernel, elementwise_grid(x.size()), elementwise_threads, 0, stream, offset, x.data, dy.data, dx.data, x.size());
}

void weighted_sum_forward(Stream& stream, ConstView<float> a, std::span<const ConstView<float>> x, View<float> y) {
  weighted_sum::require_terms(a.shape, x.size());
  require(x.size() <= most_terms, "weighted_sum: {} terms, the CUDA kernel takes at most {}", x.size(), most_terms);
  Terms terms{};
  for (std::size_t k = 0; k < x.size(); ++k) {
    require_shape("weighted_sum", "term", x[k].shape, y.shape);
    terms.x[k] = x[k].data;
  }
  terms.a = a.data;
  terms.count = static_cast<int>(x.size());
  LAUNCH(weighted_sum_forward_kernel, grid_for(y.size(), elementwise_threads), elementwise_threads, 0, stream, terms, y.data, y.size());
}

void weighted_sum_backward(Stream& stream, ConstView<float> a, Index k, ConstView<float> dy, View<float> dx) {
  weighted_sum::require_term(a.shape, k);
  require_shape("weighted_sum", "dx", dx.shape, dy.shape);
  LAUNCH(weighted_sum_backward_kernel, elementwise_grid(dy.size()), elementwise_threads, 0, stream, a.data + k, dy.data,
         dx.data, dy.size());
}

}  // namespace fringe::cuda

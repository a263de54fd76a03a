// Strategy: a thread takes one complex number (8 bytes) after another; the grid strides.
#include "kernels/modulus.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

__global__ void modulus_forward_kernel(float epsilon, const float2* z, float* m, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads())
    m[i] = sqrtf(z[i].x * z[i].x + z[i].y * z[i].y + epsilon * epsilon);  // (1)
}

__global__ void modulus_backward_kernel(const float2* z, const float* m, const float* dm, float2* dz, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) {
    const float g = m[i] > 0 ? dm[i] / m[i] : 0.0F;
    dz[i] = make_float2(g * z[i].x, g * z[i].y);  // (2)
  }
}

__global__ void intensity_forward_kernel(const float2* z, float* intensity, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) intensity[i] = z[i].x * z[i].x + z[i].y * z[i].y;  // (3)
}

__global__ void intensity_backward_kernel(const float2* z, const float* di, float2* dz, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads())
    dz[i] = make_float2(2 * di[i] * z[i].x, 2 * di[i] * z[i].y);  // (4)
}

const float2* pairs(ConstView<float> z) { return reinterpret_cast<const float2*>(z.data); }
float2* pairs(View<float> z) { return reinterpret_cast<float2*>(z.data); }
unsigned grid(Index n) { return grid_for(n, elementwise_threads); }

}  // namespace

void modulus_forward(Stream& stream, float epsilon, ConstView<float> z, View<float> m) {
  modulus::require_shapes(z.shape, m.shape);
  LAUNCH(modulus_forward_kernel, grid(m.size()), elementwise_threads, 0, stream, epsilon, pairs(z), m.data, m.size());
}

void modulus_backward(Stream& stream, ConstView<float> z, ConstView<float> m, ConstView<float> dm, View<float> dz) {
  modulus::require_shapes(z.shape, m.shape);
  modulus::require_shapes(dz.shape, dm.shape);
  require_shape("modulus", "dz", dz.shape, z.shape);
  LAUNCH(modulus_backward_kernel, grid(m.size()), elementwise_threads, 0, stream, pairs(z), m.data, dm.data, pairs(dz), m.size());
}

void intensity_forward(Stream& stream, ConstView<float> z, View<float> i) {
  modulus::require_shapes(z.shape, i.shape);
  LAUNCH(intensity_forward_kernel, grid(i.size()), elementwise_threads, 0, stream, pairs(z), i.data, i.size());
}

void intensity_backward(Stream& stream, ConstView<float> z, ConstView<float> di, View<float> dz) {
  modulus::require_shapes(z.shape, di.shape);
  require_shape("intensity", "dz", dz.shape, z.shape);
  LAUNCH(intensity_backward_kernel, grid(di.size()), elementwise_threads, 0, stream, pairs(z), di.data, pairs(dz), di.size());
}

}  // namespace fringe::cuda

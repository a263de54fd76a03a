// Strategy: a thread takes one voxel after another; sine and cosine by sincosf (full range, not the fast intrinsic).
#include "kernels/polar.h"

#include "kernels/cuda/elementwise.cuh"

namespace fringe::cuda {
namespace {

__global__ void polar_forward_kernel(const float* a, const float* phi, float2* z, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) {
    float s, c;
    sincosf(phi[i], &s, &c);
    z[i] = make_float2(a[i] * c, a[i] * s);  // (1)
  }
}

__global__ void polar_backward_kernel(const float* a, const float* phi, const float2* dz, float* da, float* dphi, Index n) {
  begin_kernel();
  for (Index i = global_thread(); i < n; i += global_threads()) {
    float s, c;
    sincosf(phi[i], &s, &c);
    da[i] = dz[i].x * c + dz[i].y * s;             // (2)
    dphi[i] = a[i] * (dz[i].y * c - dz[i].x * s);  // (3)
  }
}

}  // namespace

void polar_forward(Stream& stream, ConstView<float> a, ConstView<float> phi, View<float> z) {
  polar::require_shapes(a.shape, phi.shape, z.shape);
  LAUNCH(polar_forward_kernel, grid_for(a.size(), elementwise_threads), elementwise_threads, 0, stream, a.data, phi.data,
         reinterpret_cast<float2*>(z.data), a.size());
}

void polar_backward(Stream& stream, ConstView<float> a, ConstView<float> phi, ConstView<float> dz, View<float> da,
                    View<float> dphi) {
  polar::require_shapes(a.shape, phi.shape, dz.shape);
  polar::require_shapes(da.shape, dphi.shape, dz.shape);
  LAUNCH(polar_backward_kernel, grid_for(a.size(), elementwise_threads), elementwise_threads, 0, stream, a.data, phi.data,
         reinterpret_cast<const float2*>(dz.data), da.data, dphi.data, a.size());
}

}  // namespace fringe::cuda

// Strategy: cuFFT transforms all samples in one batch, in place; two small kernels multiply by the centring signs, the first on
// the way from x to y.
#include "kernels/fft3d.h"

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/fft_plans.h"
#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

/// y = x (-1)^(d+h+w), times `factor`. In place is allowed.
__global__ void centre_kernel(Extents e, unsigned count, float factor, const float2* x, float2* y) {
  begin_kernel();
  for_each_place(count, e, [&](unsigned i, const Place& p) {
    const float sign = (p.d + p.h + p.w) % 2 == 0 ? factor : -factor;
    y[i] = make_float2(sign * x[i].x, sign * x[i].y);
  });
}

void transform(Stream& stream, ConstView<float> x, View<float> y, int direction) {
  fft3d::require_shapes(x.shape, y.shape);
  const Shape s = x.shape;
  const Extents e(s.with_channels(1));
  const Index count = s.rows();
  auto* field = reinterpret_cast<float2*>(y.data);
  LAUNCH(centre_kernel, grid_for(count, elementwise_threads), elementwise_threads, 0, stream, e, count, 1.0F,
         reinterpret_cast<const float2*>(x.data), field);
  transform_fields("fft3d", stream, s, y.data, y.data, direction);
  // exp(-+ 2 pi i (N/2)^2 / N) of every axis: the sign that is left over
  const float global = (s.d / 2 + s.h / 2 + s.w / 2) % 2 == 0 ? 1.0F : -1.0F;
  LAUNCH(centre_kernel, grid_for(count, elementwise_threads), elementwise_threads, 0, stream, e, count, global, field, field);
}

}  // namespace

void fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, CUFFT_FORWARD); }
void fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, CUFFT_INVERSE); }

}  // namespace fringe::cuda

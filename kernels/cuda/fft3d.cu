// Strategy: cuFFT transforms all samples in one batch, in place; two small kernels multiply by the centring signs, the first on
// the way from x to y. Plans are made at the first transform of a shape and kept: making one allocates, which a captured step
// must not. cuFFT, too, is bitwise reproducible for one shape and device.
#include "kernels/fft3d.h"

#include <map>
#include <tuple>

#include "kernels/cuda/elementwise.cuh"
#include "kernels/cuda/libraries.h"
#include "kernels/cuda/place.cuh"

namespace fringe::cuda {
namespace {

std::map<std::tuple<Index, Index, Index, Index>, cufftHandle> plans;

void check_fft(cufftResult result, const char* tried, const Shape& s) {
  if (result == CUFFT_ALLOC_FAILED)
    fail<OutOfMemory>("fft3d: {} for {} failed: out of device memory; use a smaller pattern, or --device cpu", tried, s.str());
  if (result != CUFFT_SUCCESS) fail<DeviceError>("fft3d: {} for {} failed: cuFFT error {}", tried, s.str(), static_cast<int>(result));
}

cufftHandle plan_for(const Shape& s) {
  auto& plan = plans[{s.n, s.d, s.h, s.w}];
  if (plan == 0) {
    int n[3] = {static_cast<int>(s.d), static_cast<int>(s.h), static_cast<int>(s.w)};
    const auto one = static_cast<int>(s.voxels());
    cufftHandle made = 0;
    check_fft(fft_library().plan_many(&made, 3, n, nullptr, 1, one, nullptr, 1, one, CUFFT_C2C, static_cast<int>(s.n)), "a plan", s);
    plan = made;
  }
  return plan;
}

/// y = x (-1)^(d+h+w), times `factor`. In place is allowed.
__global__ void centre_kernel(Extents e, unsigned count, float factor, const float2* x, float2* y) {
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
  const cufftHandle plan = plan_for(s);
  LAUNCH(centre_kernel, grid_for(count, elementwise_threads), elementwise_threads, 0, stream, e, count, 1.0F,
         reinterpret_cast<const float2*>(x.data), field);
  check_fft(fft_library().set_stream(plan, queue(stream)), "the choice of stream", s);
  check_fft(fft_library().exec_c2c(plan, field, field, direction), "the transform", s);
  // exp(-+ 2 pi i (N/2)^2 / N) of every axis: the sign that is left over
  const float global = (s.d / 2 + s.h / 2 + s.w / 2) % 2 == 0 ? 1.0F : -1.0F;
  LAUNCH(centre_kernel, grid_for(count, elementwise_threads), elementwise_threads, 0, stream, e, count, global, field, field);
}

}  // namespace

void fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, CUFFT_FORWARD); }
void fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, CUFFT_INVERSE); }

}  // namespace fringe::cuda

// Strategy: cuFFT, all samples in one batch.
#include "kernels/wrapped_fft3d.h"

#include "kernels/cuda/fft_plans.h"

namespace fringe::cuda {

void wrapped_fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  transform_fields("wrapped_fft3d", stream, x.shape, x.data, y.data, CUFFT_FORWARD);
}
void wrapped_fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  transform_fields("wrapped_fft3d", stream, x.shape, x.data, y.data, CUFFT_INVERSE);
}

}  // namespace fringe::cuda

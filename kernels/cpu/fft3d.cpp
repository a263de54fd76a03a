// Strategy: kernels/cpu/fft_volume.cpp
#include "kernels/fft3d.h"

#include <fftw3.h>

#include "kernels/cpu/fft_volume.h"

namespace fringe::cpu {

void fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) {
  fft3d::require_shapes(x.shape, y.shape);
  transform_volume(stream, x, y, FFTW_FORWARD, true);
}

void fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) {
  fft3d::require_shapes(x.shape, y.shape);
  transform_volume(stream, x, y, FFTW_BACKWARD, true);
}

}  // namespace fringe::cpu

// The three-dimensional transform of the CPU behind fft3d and wrapped_fft3d.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe::cpu {

/// FFTW's direction. centred: as fft3d, even extents; else as wrapped_fft3d. y may be x.
void transform_volume(Stream& stream, ConstView<float> x, View<float> y, int direction, bool centred);

}  // namespace fringe::cpu

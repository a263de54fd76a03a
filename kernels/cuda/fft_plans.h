// cuFFT's plans, made at the first transform of a shape and kept: making one allocates, which a captured step must not.
#pragma once
#include "kernels/cuda/libraries.h"
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe::cuda {

/// All samples of a field of shape (N,D,H,W,2) at once, `from` and `to` being one array or two; `direction` as cuFFT's. cuFFT,
/// too, is bitwise reproducible for one shape and device. `operation` is who asks, for errors.
void transform_fields(const char* operation, Stream& stream, const Shape& shape, const float* from, float* to, int direction);

}  // namespace fringe::cuda

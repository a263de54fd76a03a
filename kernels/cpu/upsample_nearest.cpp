// Strategy: one row of inputs against its four rows of outputs; loops over channels are vectorised per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/upsample_nearest.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/upsample_nearest.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

void spread_row(const float* HWY_RESTRICT x, Index width, Index channels, float* HWY_RESTRICT y) {
  for (Index w = 0; w < width; ++w, x += channels, y += 2 * channels)
    for (Index c = 0; c < channels; ++c) y[c] = y[channels + c] = x[c];
}

void gather_row(const float* const* rows, Index width, Index channels, float* HWY_RESTRICT dx) {
  const float *HWY_RESTRICT a = rows[0], *HWY_RESTRICT b = rows[1], *HWY_RESTRICT e = rows[2], *HWY_RESTRICT f = rows[3];
  for (Index w = 0; w < width; ++w, dx += channels)
    for (Index c = 0; c < channels; ++c) {
      const Index i = 2 * w * channels + c, j = i + channels;
      dx[c] = ((a[i] + a[j]) + (b[i] + b[j])) + ((e[i] + e[j]) + (f[i] + f[j]));  // (2)
    }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <cstring>

namespace fringe::cpu {
namespace {
HWY_EXPORT(spread_row);
HWY_EXPORT(gather_row);
}  // namespace

void upsample_nearest_forward(Stream& stream, ConstView<float> x, View<float> y) {
  const Shape& s = x.shape;
  require_shape("upsample_nearest", "y", y.shape, upsample_nearest::output_shape(s));
  const Index row = 2 * s.w * s.c, plane = 2 * s.h * row;
  parallel_ranges(stream, s.n * s.d * s.h, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      float* base = y.data + (r / s.h) * 2 * plane + (r % s.h) * 2 * row;
      HWY_DYNAMIC_DISPATCH(spread_row)(x.data + r * s.w * s.c, s.w, s.c, base);
      for (float* copy : {base + row, base + plane, base + plane + row})
        std::memcpy(copy, base, static_cast<std::size_t>(row) * sizeof(float));
    }
  });
}

void upsample_nearest_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  const Shape& s = dx.shape;
  require_shape("upsample_nearest", "dy", dy.shape, upsample_nearest::output_shape(s));
  const Index row = 2 * s.w * s.c, plane = 2 * s.h * row;
  parallel_ranges(stream, s.n * s.d * s.h, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      const float* base = dy.data + (r / s.h) * 2 * plane + (r % s.h) * 2 * row;
      const float* const rows[4] = {base, base + row, base + plane, base + plane + row};
      HWY_DYNAMIC_DISPATCH(gather_row)(rows, s.w, s.c, dx.data + r * s.w * s.c);
    }
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

// Strategy: planes of the result in parallel; each voxel is eight (forward) or at most 64 (backward) vectors of channels
// times a weight. Backward gathers, so that planes do not write into each other.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/upsample_trilinear.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include <algorithm>

#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/upsample_trilinear.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

HWY_INLINE void add_row(float weight, const float* HWY_RESTRICT x, float* HWY_RESTRICT y, Index channels) {
  for (Index c = 0; c < channels; ++c) y[c] += weight * x[c];
}

/// One (H, W) plane of the result from sample `x` (D, H, W, C).
void enlarge_plane(const float* x, const Shape& s, Index d, float* y) {
  Index ds[2], hs[2], ws[2];
  upsample_trilinear::sources(d, s.d, ds[0], ds[1]);
  std::fill(y, y + 4 * s.h * s.w * s.c, 0.0F);
  for (Index h = 0; h < 2 * s.h; ++h) {
    upsample_trilinear::sources(h, s.h, hs[0], hs[1]);
    for (Index w = 0; w < 2 * s.w; ++w, y += s.c) {
      upsample_trilinear::sources(w, s.w, ws[0], ws[1]);
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j)
          for (int k = 0; k < 2; ++k)
            add_row((i ? 0.25F : 0.75F) * (j ? 0.25F : 0.75F) * (k ? 0.25F : 0.75F),
                    x + ((ds[i] * s.h + hs[j]) * s.w + ws[k]) * s.c, y, s.c);
    }
  }
}

/// Weight with which output o takes from input i.
HWY_INLINE float taken(Index o, Index i, Index extent) {
  Index near, far;
  upsample_trilinear::sources(o, extent, near, far);
  return (near == i ? 0.75F : 0.0F) + (far == i ? 0.25F : 0.0F);
}

/// One (H, W) plane of dx from sample `dy` (2D, 2H, 2W, C).
void gather_plane(const float* dy, const Shape& s, Index d, float* dx) {
  std::fill(dx, dx + s.h * s.w * s.c, 0.0F);
  for (Index h = 0; h < s.h; ++h)
    for (Index w = 0; w < s.w; ++w, dx += s.c)
      for (Index a = std::max<Index>(0, 2 * d - 1); a < std::min(2 * s.d, 2 * d + 3); ++a)
        for (Index b = std::max<Index>(0, 2 * h - 1); b < std::min(2 * s.h, 2 * h + 3); ++b) {
          const float outer = taken(a, d, s.d) * taken(b, h, s.h);
          for (Index c = std::max<Index>(0, 2 * w - 1); c < std::min(2 * s.w, 2 * w + 3); ++c)
            add_row(outer * taken(c, w, s.w), dy + ((a * 2 * s.h + b) * 2 * s.w + c) * s.c, dx, s.c);
        }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {
HWY_EXPORT(enlarge_plane);
HWY_EXPORT(gather_plane);
}  // namespace

void upsample_trilinear_forward(Stream& stream, ConstView<float> x, View<float> y) {
  require_shape("upsample_trilinear", "y", y.shape, upsample_trilinear::output_shape(x.shape));
  const Shape s = x.shape;
  parallel_tasks(stream, s.n * 2 * s.d, [&](Index task) {
    HWY_DYNAMIC_DISPATCH(enlarge_plane)
    (x.data + task / (2 * s.d) * s.per_sample(), s, task % (2 * s.d), y.data + task * 4 * s.h * s.w * s.c);
  });
}

void upsample_trilinear_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  require_shape("upsample_trilinear", "dy", dy.shape, upsample_trilinear::output_shape(dx.shape));
  const Shape s = dx.shape;
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    HWY_DYNAMIC_DISPATCH(gather_plane)
    (dy.data + task / s.d * 8 * s.per_sample(), s, task % s.d, dx.data + task * s.h * s.w * s.c);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

// Strategy: one output voxel is eight vectors of channels; loops over channels are vectorised per instruction set.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/max_pool.cpp"
#include "hwy/foreach_target.h"
// (the lines above must come first: Highway compiles the rest of this file once per instruction set)
#include "hwy/highway.h"
#include "kernels/cpu/parallel.h"
#include "kernels/max_pool.h"

HWY_BEFORE_NAMESPACE();
namespace fringe::cpu::HWY_NAMESPACE {

/// One row of outputs from the four input rows that it pools.
void pool_row(const float* const* rows, Index width, Index channels, float* HWY_RESTRICT y,
              std::uint8_t* HWY_RESTRICT which) {
  for (Index w = 0; w < width; ++w, y += channels, which += channels)
    for (int k = 0; k < 8; ++k) {
      const float* HWY_RESTRICT x = rows[k / 2] + (2 * w + k % 2) * channels;
      if (k == 0) {
        for (Index c = 0; c < channels; ++c) y[c] = x[c], which[c] = 0;
      } else {
        const auto id = static_cast<std::uint8_t>(k);
        for (Index c = 0; c < channels; ++c) {
          which[c] = x[c] > y[c] ? id : which[c];
          y[c] = x[c] > y[c] ? x[c] : y[c];
        }
      }
    }
}

void unpool_row(float* const* rows, Index width, Index channels, const float* HWY_RESTRICT dy,
                const std::uint8_t* HWY_RESTRICT which) {
  for (Index w = 0; w < width; ++w, dy += channels, which += channels)
    for (int k = 0; k < 8; ++k) {
      float* HWY_RESTRICT dx = rows[k / 2] + (2 * w + k % 2) * channels;
      const auto id = static_cast<std::uint8_t>(k);
      for (Index c = 0; c < channels; ++c) dx[c] = which[c] == id ? dy[c] : 0.0F;
    }
}

}  // namespace fringe::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fringe::cpu {
namespace {

HWY_EXPORT(pool_row);
HWY_EXPORT(unpool_row);

/// body(output row offset, the four input rows), for every output row.
template <class P, class Body>
void for_each_row(Stream& stream, P* x, const Shape& out, const Body& body) {
  const Index row = 2 * out.w * out.c, plane = 2 * out.h * row;
  parallel_ranges(stream, out.n * out.d * out.h, 1, [&](Index begin, Index end) {
    for (Index r = begin; r < end; ++r) {
      P* base = x + (r / out.h) * 2 * plane + (r % out.h) * 2 * row;
      P* const rows[4] = {base, base + row, base + plane, base + plane + row};
      body(r * out.w * out.c, rows);
    }
  });
}

}  // namespace

void max_pool_forward(Stream& stream, ConstView<float> x, View<float> y, View<std::uint8_t> which) {
  const Shape s = max_pool::output_shape(x.shape);
  require_shape("max_pool", "y", y.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for_each_row(stream, x.data, s, [&](Index at, const float* const* rows) {
    HWY_DYNAMIC_DISPATCH(pool_row)(rows, s.w, s.c, y.data + at, which.data + at);
  });
}

void max_pool_backward(Stream& stream, ConstView<std::uint8_t> which, ConstView<float> dy, View<float> dx) {
  const Shape s = max_pool::output_shape(dx.shape);
  require_shape("max_pool", "dy", dy.shape, s);
  require_shape("max_pool", "which", which.shape, s);
  for_each_row(stream, dx.data, s, [&](Index at, float* const* rows) {
    HWY_DYNAMIC_DISPATCH(unpool_row)(rows, s.w, s.c, dy.data + at, which.data + at);
  });
}

}  // namespace fringe::cpu
#endif  // HWY_ONCE

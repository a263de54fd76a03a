// Strategy: whole planes in parallel; rows are copied, what lies outside is cleared.
#include "kernels/pad_centred.h"

#include <algorithm>

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {

void pad_centred_forward(Stream& stream, ConstView<float> x, View<float> y) {
  pad_centred::require_shapes(x.shape, y.shape);
  const Shape s = x.shape, l = y.shape;
  const Index od = l.d / 2 - s.d / 2, oh = l.h / 2 - s.h / 2, ow = l.w / 2 - s.w / 2, row = s.w * s.c;
  parallel_tasks(stream, l.n * l.d, [&](Index task) {
    const Index n = task / l.d, d = task % l.d - od;
    float* plane = y.data + task * l.h * l.w * l.c;
    std::fill(plane, plane + l.h * l.w * l.c, 0.0F);
    if (d < 0 || d >= s.d) return;
    const float* from = x.data + (n * s.d + d) * s.h * row;
    for (Index h = 0; h < s.h; ++h)
      std::copy(from + h * row, from + (h + 1) * row, plane + ((h + oh) * l.w + ow) * l.c);
  });
}

void pad_centred_backward(Stream& stream, ConstView<float> dy, View<float> dx) {
  pad_centred::require_shapes(dx.shape, dy.shape);
  const Shape s = dx.shape, l = dy.shape;
  const Index od = l.d / 2 - s.d / 2, oh = l.h / 2 - s.h / 2, ow = l.w / 2 - s.w / 2, row = s.w * s.c;
  parallel_tasks(stream, s.n * s.d, [&](Index task) {
    const Index n = task / s.d, d = task % s.d;
    float* to = dx.data + task * s.h * row;
    for (Index h = 0; h < s.h; ++h) {
      const float* from = dy.data + (((n * l.d + d + od) * l.h + h + oh) * l.w + ow) * l.c;
      std::copy(from, from + row, to + h * row);
    }
  });
}

}  // namespace fringe::cpu

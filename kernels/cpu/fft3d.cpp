// Strategy: FFTW's one-dimensional transforms in aligned scratch memory, arranged by hand so that results do not depend on the
// number of threads: each (H, W) plane is multiplied by the centring sign and transformed while in cache; then lines along D,
// one h at a time, with the second sign. Planes of zeros stay zeros.
// Tried: FFTW's two-dimensional plans on the array itself, which may lie anywhere and so get no vector instructions: 10 instead
// of 40 Gflop/s at 64^3.
#include "kernels/fft3d.h"

#include "kernels/cpu/fftw_lines.h"
#include "kernels/cpu/parallel.h"

namespace fringe::cpu {
namespace {

/// to = sign * (-1)^w from, `width` complex numbers, an even number.
void copy_alternating(const float* from, Index width, float sign, float* to) {
  for (Index w = 0; w < 2 * width; w += 4) {
    to[w] = sign * from[w];
    to[w + 1] = sign * from[w + 1];
    to[w + 2] = -sign * from[w + 2];
    to[w + 3] = -sign * from[w + 3];
  }
}

void transform(Stream& stream, ConstView<float> x, View<float> y, int direction) {
  fft3d::require_shapes(x.shape, y.shape);
  const Shape s = x.shape;
  const Index row = 2 * s.w, pitch = 2 * fft_pitch(s.w), rectangle = std::max(s.d, s.h) * pitch;
  fftwf_plan along_w = row_plan(s.w, s.h, direction), along_h = column_plan(s.h, s.w, direction),
             along_d = column_plan(s.d, s.w, direction);
  float* memory = stream.scratch<float>(stream.threads() * 2 * rectangle);
  parallel_pieces(stream, s.n * s.d, [&](Index piece, Index task) {
    float *a = memory + piece * 2 * rectangle, *b = a + rectangle;
    const float* from = x.data + task * s.h * row;
    float* to = y.data + task * s.h * row;
    bool empty = true;  // the planes outside a padded object are zero, and so are their transforms
    for (Index i = 0; i < s.h * row && empty; ++i) empty = from[i] == 0;
    if (empty) {
      std::fill(to, to + s.h * row, 0.0F);
      return;
    }
    for (Index h = 0; h < s.h; ++h)
      copy_alternating(from + h * row, s.w, (task % s.d + h) % 2 == 0 ? 1.0F : -1.0F, a + h * pitch);
    execute(along_w, a, a);
    execute(along_h, a, b);
    for (Index h = 0; h < s.h; ++h) std::copy(b + h * pitch, b + h * pitch + row, to + h * row);
  });
  // exp(-+ 2 pi i (N/2)^2 / N) of every axis: the sign that is left over
  const float global = (s.d / 2 + s.h / 2 + s.w / 2) % 2 == 0 ? 1.0F : -1.0F;
  parallel_pieces(stream, s.n * s.h, [&](Index piece, Index task) {
    float *a = memory + piece * 2 * rectangle, *b = a + rectangle;
    const Index n = task / s.h, h = task % s.h;
    const auto line = [&](Index d) { return y.data + ((n * s.d + d) * s.h + h) * row; };
    for (Index d = 0; d < s.d; ++d) std::copy(line(d), line(d) + row, a + d * pitch);
    execute(along_d, a, b);
    for (Index d = 0; d < s.d; ++d) copy_alternating(b + d * pitch, s.w, (d + h) % 2 == 0 ? global : -global, line(d));
  });
}

}  // namespace

void fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_FORWARD); }
void fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_BACKWARD); }

}  // namespace fringe::cpu

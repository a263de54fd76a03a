// Strategy: FFTW's one-dimensional transforms in aligned scratch memory, arranged by hand so that results do not depend on the
// number of threads: planes (H, W) while in cache, then lines along D, one h at a time. Centring signs are multiplied while rows
// are copied; then planes of zeros stay zeros.
// Tried: FFTW's two-dimensional plans on the array itself, which may lie anywhere and so get no vector instructions: 10 instead
// of 40 Gflop/s at 64^3.
#include "kernels/cpu/fft_volume.h"

#include <algorithm>

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

}  // namespace

void transform_volume(Stream& stream, ConstView<float> x, View<float> y, int direction, bool centred) {
  const Shape s = x.shape;
  const Index row = 2 * s.w, pitch = 2 * fft_pitch(s.w), rectangle = std::max(s.d, s.h) * pitch;
  fftwf_plan along_w = row_plan(s.w, s.h, direction), along_h = column_plan(s.h, s.w, direction),
             along_d = column_plan(s.d, s.w, direction);
  // exp(-+ 2 pi i (N/2)^2 / N) of every axis: the sign that is left over
  const float global = (s.d / 2 + s.h / 2 + s.w / 2) % 2 == 0 ? 1.0F : -1.0F;
  const auto copy = [&](const float* from, Index d, Index h, float sign, float* to) {
    if (centred)
      copy_alternating(from, s.w, (d + h) % 2 == 0 ? sign : -sign, to);
    else
      std::copy(from, from + row, to);
  };
  float* memory = stream.scratch<float>(stream.threads() * 2 * rectangle);
  parallel_pieces(stream, s.n * s.d, [&](Index piece, Index task) {
    float *a = memory + piece * 2 * rectangle, *b = a + rectangle;
    const float* from = x.data + task * s.h * row;
    float* to = y.data + task * s.h * row;
    // The planes outside a padded object are zero, and so are their transforms.
    if (centred && std::all_of(from, from + s.h * row, [](float v) { return v == 0; })) {
      std::fill(to, to + s.h * row, 0.0F);
      return;
    }
    for (Index h = 0; h < s.h; ++h) copy(from + h * row, task % s.d, h, 1, a + h * pitch);
    execute(along_w, a, a);
    execute(along_h, a, b);
    for (Index h = 0; h < s.h; ++h) std::copy(b + h * pitch, b + h * pitch + row, to + h * row);
  });
  parallel_pieces(stream, s.n * s.h, [&](Index piece, Index task) {
    float *a = memory + piece * 2 * rectangle, *b = a + rectangle;
    const Index n = task / s.h, h = task % s.h;
    const auto line = [&](Index d) { return y.data + ((n * s.d + d) * s.h + h) * row; };
    for (Index d = 0; d < s.d; ++d) std::copy(line(d), line(d) + row, a + d * pitch);
    execute(along_d, a, b);
    for (Index d = 0; d < s.d; ++d) copy(b + d * pitch, d, h, global, line(d));
  });
}

}  // namespace fringe::cpu

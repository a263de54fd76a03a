// Strategy: as fft3d without its signs: planes (H, W) in aligned scratch memory while in cache, then lines along D, one h at a
// time. Results do not depend on the number of threads.
#include "kernels/wrapped_fft3d.h"

#include "kernels/cpu/fftw_lines.h"
#include "kernels/cpu/parallel.h"

namespace fringe::cpu {
namespace {

void transform(Stream& stream, ConstView<float> x, View<float> y, int direction) {
  wrapped_fft3d::require_shapes(x.shape, y.shape);
  const Shape s = x.shape;
  const Index row = 2 * s.w, pitch = 2 * fft_pitch(s.w), rectangle = std::max(s.d, s.h) * pitch;
  fftwf_plan along_w = row_plan(s.w, s.h, direction), along_h = column_plan(s.h, s.w, direction),
             along_d = column_plan(s.d, s.w, direction);
  float* memory = stream.scratch<float>(stream.threads() * 2 * rectangle);
  parallel_pieces(stream, s.n * s.d, [&](Index piece, Index task) {
    float *a = memory + piece * 2 * rectangle, *b = a + rectangle;
    const float* from = x.data + task * s.h * row;
    float* to = y.data + task * s.h * row;
    for (Index h = 0; h < s.h; ++h) std::copy(from + h * row, from + (h + 1) * row, a + h * pitch);
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
    for (Index d = 0; d < s.d; ++d) std::copy(b + d * pitch, b + d * pitch + row, line(d));
  });
}

}  // namespace

void wrapped_fft3d_forward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_FORWARD); }
void wrapped_fft3d_backward(Stream& stream, ConstView<float> x, View<float> y) { transform(stream, x, y, FFTW_BACKWARD); }

}  // namespace fringe::cpu

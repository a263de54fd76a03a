// Strategy: the object is put into planes of the frame's size in scratch memory, with the centring sign; of each, the lines
// along W that hold something are transformed, then all along H; then lines along D, one h at a time, and the modulus of the
// result while it is in cache. Backward the same way back. fft3d's second sign is left out: the modulus does not see it, and
// the gradient sees it twice.
#include "kernels/fused_diffraction.h"

#include "kernels/cpu/fftw_lines.h"
#include "kernels/cpu/modulus_rows.h"
#include "kernels/cpu/parallel.h"
#include "kernels/polar.h"

namespace fringe::cpu {
namespace {

/// An object in the middle of a frame, in floats of complex numbers.
struct Geometry {
  Shape s, frame;  ///< of object and frame
  Index od = frame.d / 2 - s.d / 2, oh = frame.h / 2 - s.h / 2, ow = frame.w / 2 - s.w / 2;
  Index row = 2 * frame.w, pitch = 2 * fft_pitch(frame.w), rectangle = std::max(frame.d, frame.h) * pitch;
  Index object_floats = (2 * s.size() + 15) / 16 * 16;

  /// to = (-1)^(d+h+w) from, for row h of plane d of the object.
  void copy_signed(Index d, Index h, const float* from, float* to) const {
    float sign = (d + od + h + oh + ow) % 2 == 0 ? 1.0F : -1.0F;
    for (Index w = 0; w < s.w; ++w, sign = -sign) to[2 * w] = sign * from[2 * w], to[2 * w + 1] = sign * from[2 * w + 1];
  }
};

}  // namespace

void fused_diffraction_forward(Stream& stream, float epsilon, ConstView<float> a, ConstView<float> phi, View<float> field,
                               View<float> m) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  const Geometry g{a.shape, field.shape};
  const Shape &s = g.s, &frame = g.frame;
  fftwf_plan along_w = row_plan(frame.w, s.h, FFTW_FORWARD), along_h = column_plan(frame.h, frame.w, FFTW_FORWARD),
             along_d = column_plan(frame.d, frame.w, FFTW_FORWARD);
  float* object = stream.scratch<float>(g.object_floats + stream.threads() * 2 * g.rectangle);
  float* rectangles = object + g.object_floats;
  polar_forward(stream, a, phi, {object, s.with_channels(2)});
  parallel_pieces(stream, s.n * s.d, [&](Index piece, Index task) {
    const Index n = task / s.d, d = task % s.d;
    float *from = rectangles + piece * 2 * g.rectangle, *to = from + g.rectangle;
    std::fill(from, from + frame.h * g.pitch, 0.0F);
    for (Index h = 0; h < s.h; ++h)
      g.copy_signed(d, h, object + 2 * (task * s.h + h) * s.w, from + (g.oh + h) * g.pitch + 2 * g.ow);
    execute(along_w, from + g.oh * g.pitch, from + g.oh * g.pitch);
    execute(along_h, from, to);
    float* plane = field.data + (n * frame.d + g.od + d) * frame.h * g.row;
    for (Index h = 0; h < frame.h; ++h) std::copy(to + h * g.pitch, to + h * g.pitch + g.row, plane + h * g.row);
  });
  parallel_pieces(stream, s.n * frame.h, [&](Index piece, Index task) {
    const Index n = task / frame.h, h = task % frame.h;
    float *from = rectangles + piece * 2 * g.rectangle, *to = from + g.rectangle;
    std::fill(from, from + frame.d * g.pitch, 0.0F);
    for (Index d = g.od; d < g.od + s.d; ++d) {
      const float* line = field.data + ((n * frame.d + d) * frame.h + h) * g.row;
      std::copy(line, line + g.row, from + d * g.pitch);
    }
    execute(along_d, from, to);
    for (Index d = 0; d < frame.d; ++d) {
      const Index line = (n * frame.d + d) * frame.h + h;
      std::copy(to + d * g.pitch, to + d * g.pitch + g.row, field.data + line * g.row);
      modulus_row(epsilon, to + d * g.pitch, m.data + line * frame.w, frame.w);
    }
  });
}

void fused_diffraction_backward(Stream& stream, ConstView<float> a, ConstView<float> phi, ConstView<float> field,
                                ConstView<float> m, ConstView<float> dm, View<float> da, View<float> dphi) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  fused_diffraction::require_shapes(da.shape, dphi.shape, field.shape, dm.shape);
  const Geometry g{a.shape, field.shape};
  const Shape &s = g.s, &frame = g.frame;
  fftwf_plan along_w = row_plan(frame.w, s.h, FFTW_BACKWARD), along_h = column_plan(frame.h, frame.w, FFTW_BACKWARD),
             along_d = column_plan(frame.d, frame.w, FFTW_BACKWARD);
  const Index plane_floats = frame.h * g.row, kept_floats = (s.n * s.d * plane_floats + 15) / 16 * 16;
  float* object = stream.scratch<float>(g.object_floats + kept_floats + stream.threads() * 2 * g.rectangle);
  float *kept = object + g.object_floats, *rectangles = kept + kept_floats;  // kept: the planes that the object reaches
  parallel_pieces(stream, s.n * frame.h, [&](Index piece, Index task) {
    const Index n = task / frame.h, h = task % frame.h;
    float *from = rectangles + piece * 2 * g.rectangle, *to = from + g.rectangle;
    for (Index d = 0; d < frame.d; ++d) {
      const Index line = (n * frame.d + d) * frame.h + h;
      modulus_gradient_row(field.data + line * g.row, m.data + line * frame.w, dm.data + line * frame.w, from + d * g.pitch,
                           frame.w);
    }
    execute(along_d, from, to);
    for (Index d = 0; d < s.d; ++d) {
      const float* line = to + (g.od + d) * g.pitch;
      std::copy(line, line + g.row, kept + (n * s.d + d) * plane_floats + h * g.row);
    }
  });
  parallel_pieces(stream, s.n * s.d, [&](Index piece, Index task) {
    float *from = rectangles + piece * 2 * g.rectangle, *to = from + g.rectangle;
    const float* plane = kept + task * plane_floats;
    for (Index h = 0; h < frame.h; ++h) std::copy(plane + h * g.row, plane + (h + 1) * g.row, from + h * g.pitch);
    execute(along_h, from, to);
    execute(along_w, to + g.oh * g.pitch, to + g.oh * g.pitch);
    for (Index h = 0; h < s.h; ++h)
      g.copy_signed(task % s.d, h, to + (g.oh + h) * g.pitch + 2 * g.ow, object + 2 * (task * s.h + h) * s.w);
  });
  polar_backward(stream, a, phi, {object, s.with_channels(2)}, da, dphi);
}

}  // namespace fringe::cpu

// The composition itself.
#include "kernels/fused_diffraction.h"

#include <cmath>
#include <vector>

#include "kernels/fft3d.h"
#include "kernels/modulus.h"
#include "kernels/pad_centred.h"
#include "kernels/polar.h"

namespace fringe {

Cost fused_diffraction::cost(const Shape& object, const Shape& frame, std::size_t element_bytes) {
  const auto line = [](Index length, Index count) {
    return 5 * static_cast<double>(count) * static_cast<double>(length) * std::log2(static_cast<double>(length));
  };
  const double flops =
      line(frame.w, object.d * object.h) + line(frame.h, object.d * frame.w) + line(frame.d, frame.h * frame.w);
  const auto n = static_cast<double>(frame.n);
  return {n * flops, n * static_cast<double>(element_bytes) *
                         (2 * static_cast<double>(object.voxels()) + 3 * static_cast<double>(frame.voxels()))};
}

void fused_diffraction::require_shapes(const Shape& a, const Shape& phi, const Shape& field, const Shape& m) {
  require(a.c == 1, "fused_diffraction: amplitude has {} channels, expected 1", a.c);
  require_shape("fused_diffraction", "phase", phi, a);
  pad_centred::require_shapes(a.with_channels(2), field);
  fft3d::require_shapes(field, field);
  modulus::require_shapes(field, m);
}

namespace reference {

template <class T>
void fused_diffraction_forward(Stream& stream, T epsilon, ConstView<T> a, ConstView<T> phi, View<T> field, View<T> m) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  std::vector<T> z(static_cast<std::size_t>(2 * a.size()));
  const View<T> object(z.data(), a.shape.with_channels(2));
  polar_forward<T>(stream, a, phi, object);
  pad_centred_forward<T>(stream, object, field);
  fft3d_forward<T>(stream, field, field);
  modulus_forward<T>(stream, epsilon, field, m);
}

template <class T>
void fused_diffraction_backward(Stream& stream, ConstView<T> a, ConstView<T> phi, ConstView<T> field, ConstView<T> m,
                                ConstView<T> dm, View<T> da, View<T> dphi) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  fused_diffraction::require_shapes(da.shape, dphi.shape, field.shape, dm.shape);
  std::vector<T> gradient(static_cast<std::size_t>(field.size())), cut(static_cast<std::size_t>(2 * a.size()));
  const View<T> dfield(gradient.data(), field.shape), dz(cut.data(), a.shape.with_channels(2));
  modulus_backward<T>(stream, field, m, dm, dfield);
  fft3d_backward<T>(stream, dfield, dfield);
  pad_centred_backward<T>(stream, dfield, dz);
  polar_backward<T>(stream, a, phi, dz, da, dphi);
}

template FusedDiffractionForward<float> fused_diffraction_forward<float>;
template FusedDiffractionForward<double> fused_diffraction_forward<double>;
template FusedDiffractionBackward<float> fused_diffraction_backward<float>;
template FusedDiffractionBackward<double> fused_diffraction_backward<double>;

}  // namespace reference
}  // namespace fringe

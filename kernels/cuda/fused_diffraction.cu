// Strategy: the composition, kernel by kernel, on the stream. cuFFT transforms the padding's zeros too: a pruned transform as
// batches of lines would save 5/12 of its flops, which at 64^3 are not what a step waits for.
#include "kernels/fused_diffraction.h"

#include "kernels/fft3d.h"
#include "kernels/modulus.h"
#include "kernels/pad_centred.h"
#include "kernels/polar.h"

namespace fringe::cuda {

void fused_diffraction_forward(Stream& stream, float epsilon, ConstView<float> a, ConstView<float> phi, View<float> field,
                               View<float> m) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  const View<float> object(stream.workspace<float>(2 * a.size()), a.shape.with_channels(2));
  polar_forward(stream, a, phi, object);  // (1)
  pad_centred_forward(stream, object, field);
  fft3d_forward(stream, field, field);
  modulus_forward(stream, epsilon, field, m);  // (2)
}

void fused_diffraction_backward(Stream& stream, ConstView<float> a, ConstView<float> phi, ConstView<float> field,
                                ConstView<float> m, ConstView<float> dm, View<float> da, View<float> dphi) {
  fused_diffraction::require_shapes(a.shape, phi.shape, field.shape, m.shape);
  fused_diffraction::require_shapes(da.shape, dphi.shape, field.shape, dm.shape);
  float* const memory = stream.workspace<float>(field.size() + 2 * a.size());
  const View<float> dfield(memory, field.shape), dz(memory + field.size(), a.shape.with_channels(2));
  modulus_backward(stream, field, m, dm, dfield);  // (3)
  fft3d_backward(stream, dfield, dfield);
  pad_centred_backward(stream, dfield, dz);
  polar_backward(stream, a, phi, dz, da, dphi);
}

}  // namespace fringe::cuda

// From a crystal to its diffraction pattern.
#pragma once
#include "autograd/ops.h"

namespace fringe {

/// |F(Q)| of the crystal amplitude * exp(i phase), zero-padded to `frame` (D, H, W). `epsilon` keeps the gradient finite where
/// F vanishes; in units of F. Without `fused`: polar, pad_centred, fft3d, modulus, one after another.
template <class T>
Variable<T> diffract(const Variable<T>& amplitude, const Variable<T>& phase, const Shape& frame, T epsilon = T(1e-6),
                     bool fused = true) {
  if (fused) return autograd::fused_diffraction(amplitude, phase, frame, epsilon);
  return autograd::modulus(autograd::fft3d(autograd::pad_centred(autograd::polar(amplitude, phase), frame)), epsilon);
}

}  // namespace fringe

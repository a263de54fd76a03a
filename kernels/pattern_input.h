// pattern_input: what a network sees of a diffraction pattern, from its intensities.
//
//   (1)  pattern_amplitude      a = sqrt(i)
//   (2)  relative_amplitude     y = x / max x of the sample; logarithm: log(1 + 1000 x / max x) / log 1001
//   (3)  complex_intensity      z = (i, 0), whose inverse transform is the crystal's autocorrelation
//   (4)  autocorrelation_input  y = (re p, 4 im p) / sqrt(max(1e-12, |p|)),  p = z / re z of the voxel at extent / 2
//
// Phases of a fraction of a radian make an imaginary part that is so much smaller than the real one: hence the 4.
// Shapes   i, a, x, y of (2) (N,D,H,W,1); z, y of (4) (N,D,H,W,2).
// Aliases  none.
// Numerics a sample of zeros gives what is not a number in (2) and (4).
// Source   docs/training.md.
#pragma once
#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

template <class T>
using PatternAmplitude = void(Stream&, ConstView<T> i, View<T> a);
template <class T>
using RelativeAmplitude = void(Stream&, bool logarithm, ConstView<T> x, View<T> y);
template <class T>
using ComplexIntensity = void(Stream&, ConstView<T> i, View<T> z);
template <class T>
using AutocorrelationInput = void(Stream&, ConstView<T> z, View<T> y);

namespace pattern_input {
constexpr double decades = 1000, log_decades = 6.90875477931522, imaginary_gain = 4, least = 1e-12;
/// Throws unless both have the same extents and samples, and these channels.
void require_shapes(const char* operation, const Shape& x, Index channels, const Shape& y, Index results);
/// The voxel at extent / 2.
constexpr Index centre(const Shape& s) { return ((s.d / 2) * s.h + s.h / 2) * s.w + s.w / 2; }
}  // namespace pattern_input

namespace reference {
template <class T>
PatternAmplitude<T> pattern_amplitude;
template <class T>
RelativeAmplitude<T> relative_amplitude;
template <class T>
ComplexIntensity<T> complex_intensity;
template <class T>
AutocorrelationInput<T> autocorrelation_input;
}  // namespace reference
namespace cpu {
PatternAmplitude<float> pattern_amplitude;
RelativeAmplitude<float> relative_amplitude;
ComplexIntensity<float> complex_intensity;
AutocorrelationInput<float> autocorrelation_input;
}  // namespace cpu
namespace cuda {
PatternAmplitude<float> pattern_amplitude;
RelativeAmplitude<float> relative_amplitude;
ComplexIntensity<float> complex_intensity;
AutocorrelationInput<float> autocorrelation_input;
}  // namespace cuda

}  // namespace fringe

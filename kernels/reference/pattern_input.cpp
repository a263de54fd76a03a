#include "kernels/pattern_input.h"

#include <algorithm>
#include <cmath>

namespace fringe {

void pattern_input::require_shapes(const char* operation, const Shape& x, Index channels, const Shape& y, Index results) {
  require_shape(operation, "x", x, x.with_channels(channels));
  require_shape(operation, "y", y, x.with_channels(results));
}

namespace reference {
using namespace pattern_input;

template <class T>
void pattern_amplitude(Stream&, ConstView<T> i, View<T> a) {
  require_shapes("pattern_amplitude", i.shape, 1, a.shape, 1);
  for (Index k = 0; k < a.size(); ++k) a[k] = std::sqrt(i[k]);  // (1)
}

template <class T>
void relative_amplitude(Stream&, bool logarithm, ConstView<T> x, View<T> y) {
  require_shapes("relative_amplitude", x.shape, 1, y.shape, 1);
  const Index voxels = x.shape.voxels();
  for (Index first = 0; first < x.size(); first += voxels) {
    T largest = 0;
    for (Index k = first; k < first + voxels; ++k) largest = std::max(largest, x[k]);
    for (Index k = first; k < first + voxels; ++k) {
      const double relative = static_cast<double>(x[k]) / static_cast<double>(largest);
      y[k] = static_cast<T>(logarithm ? std::log1p(decades * relative) / log_decades : relative);  // (2)
    }
  }
}

template <class T>
void complex_intensity(Stream&, ConstView<T> i, View<T> z) {
  require_shapes("complex_intensity", i.shape, 1, z.shape, 2);
  for (Index k = 0; k < i.size(); ++k) z[2 * k] = i[k], z[2 * k + 1] = 0;  // (3)
}

template <class T>
void autocorrelation_input(Stream&, ConstView<T> z, View<T> y) {
  require_shapes("autocorrelation_input", z.shape, 2, y.shape, 2);
  const Index voxels = z.shape.voxels();
  for (Index n = 0; n < z.shape.n; ++n) {
    const T total = z[2 * (n * voxels + centre(z.shape))];
    for (Index k = n * voxels; k < (n + 1) * voxels; ++k) {
      const T re = z[2 * k] / total, im = z[2 * k + 1] / total;
      const T factor = 1 / std::sqrt(std::max(static_cast<T>(least), std::sqrt(re * re + im * im)));
      y[2 * k] = re * factor;  // (4)
      y[2 * k + 1] = static_cast<T>(imaginary_gain) * im * factor;
    }
  }
}

template PatternAmplitude<float> pattern_amplitude<float>;
template PatternAmplitude<double> pattern_amplitude<double>;
template RelativeAmplitude<float> relative_amplitude<float>;
template RelativeAmplitude<double> relative_amplitude<double>;
template ComplexIntensity<float> complex_intensity<float>;
template ComplexIntensity<double> complex_intensity<double>;
template AutocorrelationInput<float> autocorrelation_input<float>;
template AutocorrelationInput<double> autocorrelation_input<double>;

}  // namespace reference
}  // namespace fringe

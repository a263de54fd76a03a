// Strategy: plain loops; a sample to a thread where its largest amplitude is needed, else equal ranges.
#include "kernels/pattern_input.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {
using namespace pattern_input;

void pattern_amplitude(Stream& stream, ConstView<float> i, View<float> a) {
  require_shapes("pattern_amplitude", i.shape, 1, a.shape, 1);
  parallel_ranges(stream, a.size(), 1 << 14, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k) a[k] = std::sqrt(i[k]);  // (1)
  });
}

void relative_amplitude(Stream& stream, bool logarithm, ConstView<float> x, View<float> y) {
  require_shapes("relative_amplitude", x.shape, 1, y.shape, 1);
  const Index voxels = x.shape.voxels();
  parallel_tasks(stream, x.shape.n, [&](Index n) {
    const float *const from = x.data + n * voxels, largest = *std::max_element(from, from + voxels);
    float* const to = y.data + n * voxels;
    for (Index k = 0; k < voxels; ++k) {
      const double relative = static_cast<double>(from[k]) / static_cast<double>(largest);
      to[k] = static_cast<float>(logarithm ? std::log1p(decades * relative) / log_decades : relative);  // (2)
    }
  });
}

void complex_intensity(Stream& stream, ConstView<float> i, View<float> z) {
  require_shapes("complex_intensity", i.shape, 1, z.shape, 2);
  parallel_ranges(stream, i.size(), 1 << 14, [&](Index begin, Index end) {
    for (Index k = begin; k < end; ++k) z[2 * k] = i[k], z[2 * k + 1] = 0;  // (3)
  });
}

void autocorrelation_input(Stream& stream, ConstView<float> z, View<float> y) {
  require_shapes("autocorrelation_input", z.shape, 2, y.shape, 2);
  const Index voxels = z.shape.voxels();
  parallel_tasks(stream, z.shape.n, [&](Index n) {
    const float total = z[2 * (n * voxels + centre(z.shape))];
    for (Index k = n * voxels; k < (n + 1) * voxels; ++k) {
      const float re = z[2 * k] / total, im = z[2 * k + 1] / total;
      const float factor = 1 / std::sqrt(std::max(static_cast<float>(least), std::sqrt(re * re + im * im)));
      y[2 * k] = re * factor;  // (4)
      y[2 * k + 1] = static_cast<float>(imaginary_gain) * im * factor;
    }
  });
}

}  // namespace fringe::cpu

// Strategy: a crystal to a thread at a time, which keeps its q in the field until its mean is known.
#include "kernels/crystal_targets.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

#include "kernels/cpu/parallel.h"

namespace fringe::cpu {

void crystal_targets(Stream& stream, bool twin, ConstView<float> object, View<float> amplitude, View<float> phase,
                     View<float> field) {
  crystal_targets::require_shapes(object.shape, amplitude.shape, phase.shape, field.shape);
  using Complex = std::complex<float>;
  const Shape& s = object.shape;
  parallel_tasks(stream, s.n, [&](Index n) {
    const Index first = n * s.voxels();
    const auto* const from = reinterpret_cast<const Complex*>(object.data) + first;
    auto* const q = reinterpret_cast<Complex*>(field.data) + first;
    float *const a = amplitude.data + first, *const phi = phase.data + first;
    std::complex<double> sum = 0;
    float least = std::numeric_limits<float>::max();
    Index i = 0;
    for (Index d = 0; d < s.d; ++d)
      for (Index h = 0; h < s.h; ++h) {
        using crystal_targets::source;
        const Index sd = source(twin, d, s.d), sh = source(twin, h, s.h);
        for (Index w = 0; w < s.w; ++w, ++i) {
          const Index sw = source(twin, w, s.w);
          const bool there = sd >= 0 && sh >= 0 && sw >= 0;
          const Complex v = there ? from[(sd * s.h + sh) * s.w + sw] : Complex(0);
          q[i] = twin ? std::conj(v) : v;  // (1)
          a[i] = std::abs(v);              // (2)
          phi[i] = v != Complex(0) ? std::arg(q[i]) : std::numeric_limits<float>::max();
          sum += std::complex<double>(q[i]);
          least = std::min(least, phi[i]);
        }
      }
    const Complex turn(std::polar(1.0, -std::arg(sum)));
    for (i = 0; i < s.voxels(); ++i) {
      phi[i] = a[i] > 0 ? phi[i] - least : 0;  // (3)
      q[i] *= turn;                            // (4)
    }
  });
}

}  // namespace fringe::cpu

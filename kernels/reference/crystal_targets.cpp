#include "kernels/crystal_targets.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>

namespace fringe {

void crystal_targets::require_shapes(const Shape& object, const Shape& amplitude, const Shape& phase, const Shape& field) {
  require_shape("crystal_targets", "object", object, object.with_channels(2));
  require_shape("crystal_targets", "amplitude", amplitude, object.with_channels(1));
  require_shape("crystal_targets", "phase", phase, object.with_channels(1));
  require_shape("crystal_targets", "field", field, object);
}

namespace reference {

template <class T>
void crystal_targets(Stream&, bool twin, ConstView<T> object, View<T> amplitude, View<T> phase, View<T> field) {
  crystal_targets::require_shapes(object.shape, amplitude.shape, phase.shape, field.shape);
  const Shape& s = object.shape;
  for (Index n = 0; n < s.n; ++n) {
    const auto q = [&](Index d, Index h, Index w) -> std::complex<T> {  // (1)
      using crystal_targets::source;
      const Index sd = source(twin, d, s.d), sh = source(twin, h, s.h), sw = source(twin, w, s.w);
      if (sd < 0 || sh < 0 || sw < 0) return 0;
      return {object(n, sd, sh, sw, 0), twin ? -object(n, sd, sh, sw, 1) : object(n, sd, sh, sw, 1)};
    };
    const auto each = [&](const auto& f) {
      for (Index d = 0; d < s.d; ++d)
        for (Index h = 0; h < s.h; ++h)
          for (Index w = 0; w < s.w; ++w) f(d, h, w, q(d, h, w));
    };
    std::complex<double> sum = 0;
    T least = std::numeric_limits<T>::max();
    each([&](Index, Index, Index, std::complex<T> v) {
      sum += std::complex<double>(v);
      if (v != std::complex<T>(0)) least = std::min(least, std::arg(v));
    });
    const std::complex<T> turn(std::polar(1.0, -std::arg(sum)));
    each([&](Index d, Index h, Index w, std::complex<T> v) {
      amplitude(n, d, h, w, 0) = std::abs(v);                                     // (2)
      phase(n, d, h, w, 0) = v != std::complex<T>(0) ? std::arg(v) - least : 0;  // (3)
      const std::complex<T> f = v * turn;
      field(n, d, h, w, 0) = f.real();  // (4)
      field(n, d, h, w, 1) = f.imag();
    });
  }
}

template CrystalTargets<float> crystal_targets<float>;
template CrystalTargets<double> crystal_targets<double>;

}  // namespace reference
}  // namespace fringe

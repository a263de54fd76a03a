// Gradients against central differences, in double.
#pragma once
#include "tests/support/arrays.h"

namespace fringe::test {

/// Checks `gradient` of the scalar function `f` of `x` (called after each change of x) at up to `probes` elements.
/// Central differences with step h: error O(h^2) of truncation plus rounding 1e-16 / h.
template <class F>
void check_gradient(Array<double>& x, const Array<double>& gradient, const F& f, double tolerance = 1e-6,
                    double h = 1e-5, Index probes = 40) {
  const Index n = x.shape().size(), step = std::max<Index>(1, n / probes);
  double scale = 1e-12;
  for (Index i = 0; i < n; ++i) scale = std::max(scale, std::abs(gradient[i]));
  for (Index i = 0; i < n; i += step) {
    const double keep = x[i];
    x[i] = keep + h;
    const double above = f();
    x[i] = keep - h;
    const double below = f();
    x[i] = keep;
    const double numeric = (above - below) / (2 * h);
    CAPTURE(i);
    CHECK(std::abs(numeric - gradient[i]) < tolerance * scale);
  }
}

}  // namespace fringe::test

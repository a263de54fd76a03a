// The minimum of a function of one number between two others.
#pragma once

namespace fringe {

/// To within `tolerance`, by golden section: one evaluation for a factor of 0.618. Of several minima it finds one.
template <class F>
double golden_section(double low, double high, double tolerance, const F& f) {
  constexpr double golden = 0.6180339887498949;
  double left = high - golden * (high - low), right = low + golden * (high - low);
  double at_left = f(left), at_right = f(right);
  while (high - low > tolerance) {
    if (at_left < at_right) {
      high = right, right = left, at_right = at_left;
      at_left = f(left = high - golden * (high - low));
    } else {
      low = left, left = right, at_left = at_right;
      at_right = f(right = low + golden * (high - low));
    }
  }
  return (low + high) / 2;
}

}  // namespace fringe

#include "apps/io/colour.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace fringe::io {

Colour oklch(double lightness, double chroma, double hue) {
  const double angle = hue * std::numbers::pi / 180, a = chroma * std::cos(angle), b = chroma * std::sin(angle);
  const double l = std::pow(lightness + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double m = std::pow(lightness - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double s = std::pow(lightness - 0.0894841775 * a - 1.2914855480 * b, 3);
  const auto encode = [](double v) {
    v = std::clamp(v, 0.0, 1.0);
    return v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
  };
  return {encode(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
          encode(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          encode(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

Colour sequential(double t) {
  t = std::clamp(t, 0.0, 1.0);
  return oklch(0.16 + 0.78 * t, 0.05 + 0.11 * std::sin(std::numbers::pi * std::min(1.0, 0.15 + 0.75 * t)), 290 - 190 * t);
}

Colour diverging(double t) {
  t = std::clamp(2 * t - 1, -1.0, 1.0);
  const double x = std::abs(t);
  return oklch(0.97 - 0.47 * x, 0.19 * std::pow(x, 0.8), t < 0 ? 258 : 27);
}

Colour cyclic(double t) { return oklch(0.72, 0.125, 360 * (t - std::floor(t)) + 20); }

}  // namespace fringe::io

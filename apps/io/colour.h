// Colour maps for pictures, computed in the perceptual space OKLCH (B. Ottosson, "A perceptual color space for image
// processing", 2020), so that equal steps of a value look like equal steps.
#pragma once
#include <array>

namespace fringe::io {

struct Colour {
  double r = 0, g = 0, b = 0;  ///< sRGB in [0, 1]
};

/// Lightness and chroma as OKLCH has them, hue in degrees; colours outside sRGB are clipped.
Colour oklch(double lightness, double chroma, double hue);

Colour sequential(double t);  ///< t in [0, 1]: dark blue to light yellow, lightness rising evenly
Colour diverging(double t);   ///< t in [0, 1]: blue, white at 1/2, red
Colour cyclic(double t);      ///< period 1: hue round the circle at equal lightness

inline constexpr Colour grey(double v) { return {v, v, v}; }

}  // namespace fringe::io

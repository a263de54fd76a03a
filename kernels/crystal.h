// crystal: simulated crystals, several at a time (Wu et al., npj Comput. Mater. 7, 175 (2021), Methods).
//
// A crystal's own axes: y = R x, x from the voxel at extent / 2 of the array [voxels].
//   (1)  superellipsoid   ( |y0/a|^(2/e) + |y1/b|^(2/e) )^(e/n) + |y2/c|^(2/n) <= 1
//   (2)  polyhedron       m.y / |m| <= distance_m for the 26 facets m in {-1, 0, 1}^3 but 0
//   (3)  crystal_density   1 where the voxel's centre is inside, 0 elsewhere; smooth: where its centre and corners do not agree,
//        the share of 5^3 points of the voxel that are inside
//   (4)  stats = (sum of the density, number of voxels of the array's faces where it is not 0)
//   (5)  phase_noise       sqrt(-2 ln u0) cos(2 pi u1) at (d,h,w), u0 and u1 the two numbers (philox::open_unit) of block
//        h W + w of the sequence (seed, purpose, series_n 2^16 + d); imaginary part 0
//   (6)  gaussian_filter   y[k] = factor exp(-sum over the axes of (pi L q)^2) x[k], q the frequency of voxel k in the order of
//        wrapped_fft3d, at most 1/2: what convolves with exp(-(r/L)^2) of unit area
//   (7)  crystal_object    density exp(i range (phi - low) / (high - low)), low and high the extremes of phi where the density
//        is not 0, phi the real part of a field around the density; 0 outside
//
// Shapes   density (N,d,h,w,1); stats (N,1,1,1,2); noise, x, y, field (N,D,H,W,2); object (N,d,h,w,2). A list of N items each.
// Aliases  y may be x.
// Numerics (1) and (2) in double; noise as philox.h's normal numbers; extremes know no order.
#pragma once
#include <array>
#include <cmath>
#include <span>

#include "kernels/stream.h"
#include "kernels/view.h"

namespace fringe {

struct CrystalForm {
  bool polyhedron = false;
  double rotation[3][3] = {};             ///< R
  double axis[3] = {}, exponent[2] = {};  ///< of (1): a, b, c [voxels]; e, n
  double distance[26] = {};               ///< of (2) [voxels], the last component of m running fastest
};

template <class T>
using CrystalDensity = void(Stream&, std::span<const CrystalForm> forms, bool smooth, View<T> density, View<T> stats);
template <class T>
using PhaseNoise = void(Stream&, std::uint64_t seed, std::uint32_t purpose, std::span<const std::uint64_t> series,
                        View<T> noise);
template <class T>
using GaussianFilter = void(Stream&, std::span<const std::array<double, 3>> lengths, double factor, ConstView<T> x, View<T> y);
template <class T>
using CrystalObject = void(Stream&, std::span<const double> ranges, ConstView<T> density, ConstView<T> field, View<T> object);

/// Templates and constexpr, so that every backend's compiler makes its own of them.
namespace crystals {
/// (1), (2)
template <class R>
constexpr bool inside(const CrystalForm& f, R x0, R x1, R x2) {
  const auto& r = f.rotation;
  const R y0 = r[0][0] * x0 + r[0][1] * x1 + r[0][2] * x2, y1 = r[1][0] * x0 + r[1][1] * x1 + r[1][2] * x2,
          y2 = r[2][0] * x0 + r[2][1] * x1 + r[2][2] * x2;
  if (!f.polyhedron) {
    const R e1 = f.exponent[0], e2 = f.exponent[1];
    const R in_plane = std::pow(std::abs(y0 / f.axis[0]), 2 / e1) + std::pow(std::abs(y1 / f.axis[1]), 2 / e1);
    return std::pow(in_plane, e1 / e2) + std::pow(std::abs(y2 / f.axis[2]), 2 / e2) <= 1;
  }
  const double* distance = f.distance;
  for (int i = -1; i <= 1; ++i)
    for (int j = -1; j <= 1; ++j)
      for (int k = -1; k <= 1; ++k) {
        const int kind = i * i + j * j + k * k;
        if (kind == 0) continue;
        const R length = kind == 1 ? 1.0 : kind == 2 ? 0.7071067811865475 : 0.5773502691896258;  // 1 / |m|
        if (!(i * length * y0 + j * length * y1 + k * length * y2 <= *distance++)) return false;
      }
  return true;
}
/// Where a voxel is looked at, from its centre: there (0), at its corners (1 to 8), at 5^3 points (from 9 on).
constexpr int first_corner = 1, first_point = 9, points = 134;
template <class R>
constexpr bool inside_at(const CrystalForm& f, R d, R h, R w, int i) {
  const int k = i < first_point ? i - first_corner : i - first_point, base = i < first_point ? 2 : 5;
  const auto offset = [&](int digit) { return i == 0 ? 0 : base == 2 ? digit - R(0.5) : (digit + R(0.5)) / 5 - R(0.5); };
  return inside(f, d + offset(k / base / base), h + offset(k / base % base), w + offset(k % base));
}
/// (3), smooth, of a voxel whose centre and so many of whose corners are inside.
template <class R>
constexpr R smooth_density(const CrystalForm& f, R d, R h, R w, bool centre, int corners) {
  if (corners == (centre ? 8 : 0)) return centre;
  int count = 0;
  for (int i = first_point; i < points; ++i) count += inside_at(f, d, h, w, i);
  return static_cast<R>(count) / (points - first_point);
}
/// (3). One loop for all, so that a GPU's compiler has one place to put the powers.
template <class R>
constexpr R density(const CrystalForm& f, R d, R h, R w, bool smooth) {
  bool centre = false;
  int corners = 0, count = 0;
  for (int i = 0; i < (smooth ? points : first_corner); ++i) {
    if (i == first_point && corners == (centre ? 8 : 0)) return centre;
    const bool in = inside_at(f, d, h, w, i);
    if (i == 0)
      centre = in;
    else
      (i < first_point ? corners : count) += in;
  }
  return smooth ? static_cast<R>(count) / (points - first_point) : centre;
}
/// (pi L q)^2 of (6), for voxel k of `extent`.
constexpr double exponent(Index k, Index extent, double length) {
  const double q =
      static_cast<double>(k < extent - k ? k : extent - k) / static_cast<double>(extent) * 3.141592653589793 * length;
  return q * q;
}
/// Throw unless the shapes fit.
void require_density(std::size_t forms, const Shape& density, const Shape& stats);
void require_field(const char* operation, std::size_t items, const Shape& field);
void require_object(std::size_t ranges, const Shape& density, const Shape& field, const Shape& object);
}  // namespace crystals

namespace reference {
template <class T>
CrystalDensity<T> crystal_density;
template <class T>
PhaseNoise<T> phase_noise;
template <class T>
GaussianFilter<T> gaussian_filter;
template <class T>
CrystalObject<T> crystal_object;
}  // namespace reference
namespace cpu {
CrystalDensity<float> crystal_density;
PhaseNoise<float> phase_noise;
GaussianFilter<float> gaussian_filter;
CrystalObject<float> crystal_object;
}  // namespace cpu
namespace cuda {
CrystalDensity<float> crystal_density;
PhaseNoise<float> phase_noise;
GaussianFilter<float> gaussian_filter;
CrystalObject<float> crystal_object;
}  // namespace cuda

}  // namespace fringe

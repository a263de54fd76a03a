#include "apps/phasing/geometry.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/error.h"

namespace fringe {
namespace {

constexpr double hbar_c = 3.16152677e-26;  // [J m]
constexpr double least_volume = 1e-3;      // of the unit vectors of a basis

double unit_volume(const Basis& b) {
  const double lengths = length(b[0]) * length(b[1]) * length(b[2]);
  return lengths > 0 ? std::abs(determinant(b)) / lengths : 0;
}

/// The rotation of all circles together: the last one, the innermost, acts first.
Vector3 carried(Vector3 v, const std::vector<Rotation>& circles) {
  for (auto c = circles.rbegin(); c != circles.rend(); ++c) v = turned(v, c->axis, c->angle);
  return v;
}

Vector3 sum(const Vector3& a, const Vector3& b) { return {a[0] + b[0], a[1] + b[1], a[2] + b[2]}; }

}  // namespace

double dot(const Vector3& a, const Vector3& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

Vector3 cross(const Vector3& a, const Vector3& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

double length(const Vector3& a) { return std::hypot(a[0], a[1], a[2]); }

Vector3 scaled(const Vector3& a, double factor) { return {a[0] * factor, a[1] * factor, a[2] * factor}; }

Vector3 turned(const Vector3& v, const Vector3& axis, double angle) {
  // Rodrigues' formula.
  const Vector3 n = scaled(axis, 1 / length(axis));
  return sum(sum(scaled(v, std::cos(angle)), scaled(cross(n, v), std::sin(angle))),
             scaled(n, dot(n, v) * (1 - std::cos(angle))));
}

double determinant(const Basis& b) { return dot(b[0], cross(b[1], b[2])); }

Diffractometer Diffractometer::two_circle(double delta, double gamma, double rocking_step) {
  Diffractometer d;
  d.detector = {{{0, 1, 0}, delta}, {{-1, 0, 0}, gamma}};
  d.scan = {{0, 1, 0}, rocking_step};
  return d;
}

Vector3 raw_centre(const Geometry& g, const Extent& extent) {
  Vector3 at{};
  for (int k = 0; k < 3; ++k) {
    const Index first = g.origin[k] + extent[k] / 2 * g.binning[k];
    at[static_cast<std::size_t>(k)] = static_cast<double>(first) + static_cast<double>(g.binning[k] - 1) / 2;
  }
  return at;
}

void locate(Geometry& g, const Diffractometer& d, const Extent& extent, const std::string& name) {
  require(d.energy > 0 && d.distance > 0 && d.pixel_height > 0 && d.pixel_width > 0,
          "{}: photon energy, detector distance and pixel size must be more than 0", name);
  const double k = d.energy / hbar_c;
  const Vector3 row = scaled(carried(d.row, d.detector), d.pixel_height / length(d.row)),
                column = scaled(carried(d.column, d.detector), d.pixel_width / length(d.column));
  Vector3 p = carried({0, 0, d.distance}, d.detector);
  if (d.reference_pixel) {
    const Vector3 centre = raw_centre(g, extent);
    p = sum(p, scaled(row, centre[1] - (*d.reference_pixel)[0]));
    p = sum(p, scaled(column, centre[2] - (*d.reference_pixel)[1]));
  }
  const double distance = length(p);
  const Vector3 direction = scaled(p, 1 / distance);
  const Vector3 q = sum(scaled(direction, k), {0, 0, -k});
  require(length(q) > 1e-6 * k,
          "{}: the detector stands in the direct beam, the Bragg angle is 0; give the rotations of its arm", name);

  const auto across = [&](const Vector3& step) {  // the part of a step that changes the direction, as a change of k'
    return scaled(sum(step, scaled(direction, -dot(direction, step))), k / distance);
  };
  Basis basis{scaled(cross(carried(d.scan.axis, d.carriers), q), -d.scan.angle / length(d.scan.axis)), across(row),
              across(column)};
  require(unit_volume(basis) >= least_volume, "{}: frames, rows and columns do not span reciprocal space: {}", name,
          length(basis[0]) <= 1e-9 * k * std::abs(d.scan.angle)
              ? "the scanned axis is parallel to the scattering vector, so that turning about it changes nothing"
              : "the scan moves the pattern within the plane of the detector; check the scanned axis and the directions of "
                "rows and columns");
  for (int axis = 0; axis < 3; ++axis) {
    const auto i = static_cast<std::size_t>(axis);
    basis[i] = scaled(basis[i], static_cast<double>(g.binning[i]));
  }
  g.energy = d.energy;
  g.distance = d.distance;
  g.pixel_size_x = d.pixel_width;
  g.pixel_size_y = d.pixel_height;
  g.basis_vectors = basis;
  g.bragg = q;
}

Basis real_basis(const Basis& q, const Extent& extent) {
  require(unit_volume(q) >= least_volume,
          "geometry: the reciprocal basis is singular: its three vectors lie in one plane, or one of them is zero");
  const double volume = determinant(q);
  Basis a;
  for (std::size_t axis = 0; axis < 3; ++axis)
    a[axis] = scaled(cross(q[(axis + 1) % 3], q[(axis + 2) % 3]),
                     2 * std::numbers::pi / (volume * static_cast<double>(extent[axis])));
  return a;
}

double two_theta(const Geometry& g) {
  require(g.bragg && g.energy, "geometry: the Bragg angle needs photon energy and scattering vector");
  return 2 * std::asin(std::min(1.0, length(*g.bragg) * hbar_c / (2 * *g.energy)));
}

double lattice_spacing(const Geometry& g) {
  require(g.bragg.has_value(), "geometry: the lattice spacing needs the scattering vector");
  return 2 * std::numbers::pi / length(*g.bragg);
}

}  // namespace fringe

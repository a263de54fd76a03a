#include "apps/phasing/simulate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "apps/phasing/random.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace fringe {
namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

/// Uniform on SO(3): the rotation of a unit quaternion drawn uniformly on the 3-sphere.
Matrix random_rotation(Random& random) {
  double q[4], norm = 0;
  for (auto& v : q) v = random.normal(), norm += v * v;
  for (auto& v : q) v /= std::sqrt(norm);
  const auto [w, x, y, z] = q;
  return {{{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
           {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
           {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}}};
}

Vector rotate(const Matrix& r, const Vector& x) {
  Vector y{};
  for (int i = 0; i < 3; ++i) y[i] = r[i][0] * x[0] + r[i][1] * x[1] + r[i][2] * x[2];
  return y;
}

/// Whether a point [voxels from the centre] is inside the crystal.
using Inside = std::function<bool(const Vector&)>;

Inside random_superellipsoid(const CrystalOptions& options, double n, Random& random) {
  Vector axis;
  for (auto& a : axis) a = n * random.uniform(options.semi_axis.low, options.semi_axis.high);
  const double e1 = random.uniform(options.exponent.low, options.exponent.high);
  const double e2 = random.uniform(options.exponent.low, options.exponent.high);
  const Matrix rotation = random_rotation(random);
  return [=](const Vector& x) {
    const Vector y = rotate(rotation, x);
    const double in_plane = std::pow(std::abs(y[0] / axis[0]), 2 / e1) + std::pow(std::abs(y[1] / axis[1]), 2 / e1);
    return std::pow(in_plane, e1 / e2) + std::pow(std::abs(y[2] / axis[2]), 2 / e2) <= 1;
  };
}

Inside random_polyhedron(const CrystalOptions& options, double n, Random& random) {
  struct Facet {
    Vector normal;
    double distance;
  };
  const double radius = n * random.uniform(options.semi_axis.low, options.semi_axis.high);
  // Surface energies decide the distances of a Wulff shape; {100} and {110} relative to {111}, within what is known of fcc
  // metals and some way beyond, so that cubes, octahedra and most shapes between occur.
  const double family[4] = {0, random.uniform(0.8, 1.3), random.uniform(0.9, 1.3), 1};
  std::vector<Facet> facets;
  for (int i = -1; i <= 1; ++i)
    for (int j = -1; j <= 1; ++j)
      for (int k = -1; k <= 1; ++k) {
        const int kind = i * i + j * j + k * k;
        if (kind == 0) continue;
        const double norm = std::sqrt(kind);
        facets.push_back({{i / norm, j / norm, k / norm}, radius * family[kind] * random.uniform(0.8, 1.2)});
      }
  const Matrix rotation = random_rotation(random);
  return [=](const Vector& x) {
    const Vector y = rotate(rotation, x);
    return std::all_of(facets.begin(), facets.end(), [&](const Facet& f) {
      return f.normal[0] * y[0] + f.normal[1] * y[1] + f.normal[2] * y[2] <= f.distance;
    });
  };
}

/// The share of every voxel that is inside: 0 or 1 by its centre, or with `smooth` the average over 5^3 points of
/// those voxels whose corners and centre do not agree.
Volume<float> sample(const Inside& inside, Index n, bool smooth, int threads) {
  Volume<float> density({n, n, n});
  Stream stream(threads);
  const auto at = [&](Index i, double offset) { return static_cast<double>(i - n / 2) + offset; };
  Volume<std::uint8_t> corner;
  if (smooth) {
    corner = Volume<std::uint8_t>({n + 1, n + 1, n + 1});
    cpu::parallel_tasks(stream, n + 1, [&](Index d) {
      for (Index h = 0; h <= n; ++h)
        for (Index w = 0; w <= n; ++w) corner(d, h, w) = inside({at(d, -0.5), at(h, -0.5), at(w, -0.5)});
    });
  }
  cpu::parallel_tasks(stream, n, [&](Index d) {
    for (Index h = 0; h < n; ++h)
      for (Index w = 0; w < n; ++w) {
        const bool centre = inside({at(d, 0), at(h, 0), at(w, 0)});
        density(d, h, w) = centre;
        if (!smooth) continue;
        int corners = 0;
        for (Index i = 0; i < 8; ++i) corners += corner(d + i / 4, h + i / 2 % 2, w + i % 2);
        if (corners == (centre ? 8 : 0)) continue;
        constexpr int points = 5;
        int count = 0;
        for (int i = 0; i < points * points * points; ++i) {
          const auto offset = [](int j) { return (j % points + 0.5) / points - 0.5; };
          count += inside({at(d, offset(i / points / points)), at(h, offset(i / points)), at(w, offset(i))});
        }
        density(d, h, w) = static_cast<float>(count) / (points * points * points);
      }
  });
  return density;
}

bool touches_faces(const Volume<float>& density) {
  const Index n = density.extent[0];
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j)
      for (const Index face : {Index{0}, n - 1})
        if (density(face, i, j) > 0 || density(i, face, j) > 0 || density(i, j, face) > 0) return true;
  return false;
}

/// Equation (2) before scaling. The noise covers the padded array, so that nothing inside the crystal wraps around.
Volume<double> correlated_field(const CrystalOptions& options, Random& random, std::uint64_t seed, std::uint64_t index,
                                int threads) {
  const Index N = options.size, n = N / 2;
  Vector length;
  for (auto& l : length) l = static_cast<double>(n) * random.uniform(options.correlation.low, options.correlation.high);
  ComplexField field({N, N, N});
  Stream stream(threads);
  cpu::parallel_tasks(stream, N, [&](Index d) {
    Random noise(seed, Draw::phase_noise, index << 16 | static_cast<std::uint64_t>(d));  // one sequence per plane
    for (Index h = 0; h < N; ++h)
      for (Index w = 0; w < N; ++w) field(d, h, w) = noise.normal();
  });
  fourier_forward(field, threads);
  // The transform of exp(-(x/L)^2) is proportional to exp(-(pi L Q)^2).
  const auto exponent = [&](Index i, int axis) {
    const double q = static_cast<double>(i - N / 2) / static_cast<double>(N) * std::numbers::pi * length[axis];
    return q * q;
  };
  cpu::parallel_tasks(stream, N, [&](Index d) {
    for (Index h = 0; h < N; ++h)
      for (Index w = 0; w < N; ++w) field(d, h, w) *= std::exp(-exponent(d, 0) - exponent(h, 1) - exponent(w, 2));
  });
  fourier_inverse(field, threads);
  Volume<double> real(field.extent);
  for (std::size_t i = 0; i < real.data.size(); ++i) real.data[i] = field.data[i].real();
  return pad_or_crop(real, {n, n, n});
}

void check(const CrystalOptions& o) {
  const auto range = [](const char* name, const Range& r, double least, double most) {
    require(r.low <= r.high && r.low >= least && r.high <= most,
            "simulate: {} must be a range within [{}, {}], not [{}, {}]", name, least, most, r.low, r.high);
  };
  require(o.size >= 8 && o.size % 2 == 0 && o.size <= 1024,
          "simulate: the size must be an even number from 8 to 1024, not {}", o.size);
  range("the semi-axes", o.semi_axis, 0.01, 0.5);
  range("the exponents", o.exponent, 0.05, 5);
  range("the correlation lengths", o.correlation, 0.001, 10);
  require(o.phase_range >= 0 && std::isfinite(o.phase_range),
          "simulate: the phase range must be finite and not negative, not {}", o.phase_range);
}

}  // namespace

Volume<Complex> make_crystal(const CrystalOptions& options, std::uint64_t seed, std::uint64_t index, int threads) {
  check(options);
  const Index n = options.size / 2;
  Random random(seed, Draw::shape, index);
  Volume<float> density;
  double volume = 0;
  constexpr int tries = 1000;
  for (int i = 0;; ++i) {  // until one fits, and is no splinter: more than 1.5 % of its array
    require(i < tries, "simulate: none of {} crystals fits into {}^3 voxels; choose other semi-axes", tries, n);
    const auto draw = options.shape == CrystalShape::superellipsoid ? random_superellipsoid : random_polyhedron;
    density = sample(draw(options, static_cast<double>(n), random), n, options.smooth_edge, threads);
    volume = 0;
    for (const float v : density.data) volume += v;
    if (!touches_faces(density) && volume > 0.015 * static_cast<double>(n * n * n)) break;
  }
  Volume<double> phase = correlated_field(options, random, seed, index, threads);
  double low = 1e300, high = -1e300;
  for (std::size_t i = 0; i < phase.data.size(); ++i)
    if (density.data[i] > 0) low = std::min(low, phase.data[i]), high = std::max(high, phase.data[i]);
  const double slope = high > low ? options.phase_range / (high - low) : 0;
  Volume<Complex> object(density.extent);
  for (std::size_t i = 0; i < object.data.size(); ++i)
    if (density.data[i] > 0)
      object.data[i] = Complex(std::polar(static_cast<double>(density.data[i]), slope * (phase.data[i] - low)));
  return object;
}

Volume<double> diffract(const Volume<Complex>& object, const Extent& extent, int threads) {
  for (int axis = 0; axis < 3; ++axis)
    require(object.extent[axis] <= extent[axis], "diffract: the object has {} voxels along axis {}, its pattern only {}",
            object.extent[axis], axis, extent[axis]);
  ComplexField field = pad_or_crop(converted<std::complex<double>>(object), extent);
  fourier_forward(field, threads);
  Volume<double> intensity(extent);
  for (std::size_t i = 0; i < intensity.data.size(); ++i) intensity.data[i] = std::norm(field.data[i]);
  return intensity;
}

Pattern expose(const Volume<Complex>& crystal, const Exposure& exposure, std::uint64_t seed, std::uint64_t index,
               int threads) {
  require(exposure.photons > 0 && std::isfinite(exposure.photons),
          "simulate: the number of photons must be positive and finite, not {}", exposure.photons);
  const auto& n = crystal.extent;
  const Volume<double> expected = diffract(crystal, {2 * n[0], 2 * n[1], 2 * n[2]}, threads);
  double sum = 0;
  for (const double v : expected.data) sum += v;
  require(sum > 0, "simulate: the crystal is empty");
  const double scale = exposure.photons / sum;
  Pattern pattern;
  pattern.truth = crystal;
  pattern.intensity = Volume<float>(expected.extent);
  const Index plane = expected.extent[1] * expected.extent[2];
  Stream stream(threads);
  cpu::parallel_tasks(stream, expected.extent[0], [&](Index d) {
    for (Index i = d * plane; i < (d + 1) * plane; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const double mean = scale * expected.data[at];
      if (exposure.noise) {
        Random random(seed, Draw::photons, index << 32 | static_cast<std::uint64_t>(i));
        pattern.intensity.data[at] = static_cast<float>(random.poisson(mean));
      } else {
        pattern.intensity.data[at] = static_cast<float>(mean);
      }
    }
  });
  return pattern;
}

Specimen draw_specimen(const Population& p, std::uint64_t seed, std::uint64_t index) {
  require(p.polyhedra >= 0 && p.polyhedra <= 1, "simulate: the share of polyhedra must be within [0, 1], not {}", p.polyhedra);
  require(p.phase_range.low >= 0 && p.phase_range.high >= p.phase_range.low && std::isfinite(p.phase_range.high),
          "simulate: the phase range must be drawn from finite numbers that are not negative, not from [{}, {}]",
          p.phase_range.low, p.phase_range.high);
  const bool noise = p.photons.high > 0;
  require(!noise || (p.photons.low > 0 && p.photons.high >= p.photons.low && std::isfinite(p.photons.high)),
          "simulate: photons must be drawn from positive numbers, not from [{}, {}]", p.photons.low, p.photons.high);
  Random random(seed, Draw::specimen, index);
  Specimen s{p.crystal, {}};
  s.crystal.shape = random.uniform() < p.polyhedra ? CrystalShape::polyhedron : CrystalShape::superellipsoid;
  s.crystal.phase_range = random.uniform(p.phase_range.low, p.phase_range.high);
  const double photons = random.uniform(std::log(p.photons.low), std::log(p.photons.high));
  if (noise) s.exposure = {std::exp(photons), true};
  check(s.crystal);
  return s;
}

Geometry cubic_geometry(const Extent& extent, double voxel_size) {
  Geometry geometry;
  auto& basis = geometry.basis_vectors.emplace();
  for (int axis = 0; axis < 3; ++axis)
    basis[axis][axis] = 2 * std::numbers::pi / (static_cast<double>(extent[axis]) * voxel_size);
  return geometry;
}

}  // namespace fringe

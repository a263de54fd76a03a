#include "apps/phasing/simulate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "apps/phasing/coherence.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace fringe {
namespace {

using Vector = std::array<double, 3>;

/// Uniform on SO(3): the rotation of a unit quaternion drawn uniformly on the 3-sphere.
void draw_rotation(Random& random, CrystalForm& form) {
  double q[4], norm = 0;
  for (auto& v : q) v = random.normal(), norm += v * v;
  for (auto& v : q) v /= std::sqrt(norm);
  const auto [w, x, y, z] = q;
  const double rotation[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)},
                                 {2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)},
                                 {2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)}};
  std::copy(&rotation[0][0], &rotation[0][0] + 9, &form.rotation[0][0]);
}

CrystalForm random_superellipsoid(const CrystalOptions& options, double n, Random& random) {
  CrystalForm form;
  for (auto& a : form.axis) a = n * random.uniform(options.semi_axis.low, options.semi_axis.high);
  for (auto& e : form.exponent) e = random.uniform(options.exponent.low, options.exponent.high);
  draw_rotation(random, form);
  return form;
}

CrystalForm random_polyhedron(const CrystalOptions& options, double n, Random& random) {
  CrystalForm form;
  form.polyhedron = true;
  const double radius = n * random.uniform(options.semi_axis.low, options.semi_axis.high);
  // Surface energies decide the distances of a Wulff shape; {100} and {110} relative to {111}, within what is known of fcc
  // metals and some way beyond, so that cubes, octahedra and most shapes between occur.
  const double family[4] = {0, random.uniform(0.8, 1.3), random.uniform(0.9, 1.3), 1};
  double* distance = form.distance;
  for (int i = -1; i <= 1; ++i)
    for (int j = -1; j <= 1; ++j)
      for (int k = -1; k <= 1; ++k)
        if (const int kind = i * i + j * j + k * k; kind != 0) *distance++ = radius * family[kind] * random.uniform(0.8, 1.2);
  draw_rotation(random, form);
  return form;
}

/// Equation (2) before scaling. The noise covers the padded array, so that nothing inside the crystal wraps around.
Volume<double> correlated_field(const CrystalOptions& options, const Vector& length, std::uint64_t seed, std::uint64_t index,
                                int threads) {
  const Index N = options.size, n = N / 2;
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

CrystalDraw::CrystalDraw(const CrystalOptions& options, std::uint64_t seed, std::uint64_t index)
    : options_(options), n_(static_cast<double>(options.size / 2)), random_(seed, Draw::shape, index) {
  check(options);
}

CrystalForm CrystalDraw::next_form() {
  constexpr int tries = 1000;
  require(drawn_++ < tries, "simulate: none of {} crystals fits into {}^3 voxels; choose other semi-axes", tries,
          options_.size / 2);
  const auto draw = options_.shape == CrystalShape::superellipsoid ? random_superellipsoid : random_polyhedron;
  return draw(options_, n_, random_);
}

std::array<double, 3> CrystalDraw::correlation_lengths() {
  std::array<double, 3> length{};
  for (auto& l : length) l = n_ * random_.uniform(options_.correlation.low, options_.correlation.high);
  return length;
}

bool CrystalDraw::fits(double volume, bool touches_faces) const { return !touches_faces && volume > 0.015 * (n_ * n_ * n_); }

Volume<Complex> make_crystal(const CrystalOptions& options, std::uint64_t seed, std::uint64_t index, int threads) {
  CrystalDraw draw(options, seed, index);
  const Index n = options.size / 2;
  Volume<float> density({n, n, n});
  Stream stream(threads);
  float volume = 0, on_faces = 0;
  do {
    const CrystalForm form = draw.next_form();
    float stats[2];
    cpu::crystal_density(stream, {&form, 1}, options.smooth_edge, {density.data.data(), {1, n, n, n, 1}}, {stats, {1, 1, 1, 1, 2}});
    volume = stats[0], on_faces = stats[1];
  } while (!draw.fits(static_cast<double>(volume), on_faces > 0));
  Volume<double> phase = correlated_field(options, draw.correlation_lengths(), seed, index, threads);
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
  Volume<double> expected = diffract(crystal, {2 * n[0], 2 * n[1], 2 * n[2]}, threads);
  if (exposure.coherence != std::array<double, 3>{}) {
    auto blurred = converted<float>(expected);
    blur(blurred, exposure.coherence);
    expected = converted<double>(blurred);
  }
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
  require((p.photons.low > 0 && p.photons.high >= p.photons.low && std::isfinite(p.photons.high)) ||
              (p.photons.low == 0 && p.photons.high == 0),
          "simulate: photons must be drawn from positive numbers, or be 0 for no noise, not from [{}, {}]", p.photons.low,
          p.photons.high);
  Random random(seed, Draw::specimen, index);
  Specimen s{p.crystal, {}};
  s.crystal.shape = random.uniform() < p.polyhedra ? CrystalShape::polyhedron : CrystalShape::superellipsoid;
  s.crystal.phase_range = random.uniform(p.phase_range.low, p.phase_range.high);
  const double photons = random.uniform(std::log(p.photons.low), std::log(p.photons.high));
  if (noise) s.exposure = {std::exp(photons), true};
  check(s.crystal);
  return s;
}

void try_population(const Population& p, std::uint64_t seed) { make_crystal(draw_specimen(p, seed, 0).crystal, seed, 0); }

Geometry cubic_geometry(const Extent& extent, double voxel_size) {
  Geometry geometry;
  auto& basis = geometry.basis_vectors.emplace();
  for (int axis = 0; axis < 3; ++axis)
    basis[axis][axis] = 2 * std::numbers::pi / (static_cast<double>(extent[axis]) * voxel_size);
  return geometry;
}

}  // namespace fringe

#include "apps/phasing/lab.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "apps/phasing/alignment.h"
#include "apps/phasing/strain.h"
#include "apps/phasing/unwrap.h"
#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace fringe {
namespace {

constexpr Index most_voxels = Index{1} << 28;

/// Keys' kernel with a = -1/2 at the four voxels around `t`: exact for polynomials of second degree.
struct Taps {
  Index first;
  std::array<double, 4> weight;
};
Taps cubic_taps(double t) {
  const double f = std::floor(t), s = t - f;
  return {
      static_cast<Index>(f) - 1,
      {0.5 * s * (-1 + s * (2 - s)), 1 + s * s * (1.5 * s - 2.5), 0.5 * s * (1 + s * (4 - 3 * s)), 0.5 * s * s * (s - 1)}};
}
/// The two of linear interpolation, as four.
Taps linear_taps(double t) {
  const double f = std::floor(t), s = t - f;
  return {static_cast<Index>(f) - 1, {0, 1 - s, s, 0}};
}

/// `volume` between its voxels; zero outside.
template <class Sum, class T>
Sum interpolated(const Volume<T>& volume, const std::array<Taps, 3>& at) {
  const Extent& e = volume.extent;
  Sum sum{};
  for (Index i = 0; i < 4; ++i) {
    const Index d = at[0].first + i;
    if (d < 0 || d >= e[0]) continue;
    for (Index j = 0; j < 4; ++j) {
      const Index h = at[1].first + j;
      if (h < 0 || h >= e[1]) continue;
      const double outer = at[0].weight[static_cast<std::size_t>(i)] * at[1].weight[static_cast<std::size_t>(j)];
      if (outer == 0) continue;
      for (Index k = 0; k < 4; ++k) {
        const Index w = at[2].first + k;
        if (w >= 0 && w < e[2]) sum += outer * at[2].weight[static_cast<std::size_t>(k)] * static_cast<Sum>(volume(d, h, w));
      }
    }
  }
  return sum;
}

struct Moments {
  Index count = 0;
  Vector3 centre{};  // of mass, as array indices
};
Moments moments(const Volume<std::uint8_t>& support) {
  Moments m;
  for (Index d = 0; d < support.extent[0]; ++d)
    for (Index h = 0; h < support.extent[1]; ++h)
      for (Index w = 0; w < support.extent[2]; ++w)
        if (support(d, h, w)) {
          ++m.count;
          m.centre[0] += static_cast<double>(d), m.centre[1] += static_cast<double>(h), m.centre[2] += static_cast<double>(w);
        }
  require(m.count > 0, "lab: the support is empty, there is no crystal to bring to the laboratory");
  for (auto& c : m.centre) c /= static_cast<double>(m.count);
  return m;
}

}  // namespace

LabObject to_laboratory(const Reconstruction& r, const LabOptions& options, int threads) {
  require(r.pattern.geometry.basis_vectors.has_value(),
          "lab: the file does not say where its voxels lie in reciprocal space; give --geometry FILE, here or to `fringe "
          "prepare`");
  require(r.object.extent == r.support.extent, "lab: object and support have different extents");
  const Basis& b = *r.pattern.geometry.basis_vectors;
  const Extent &pattern = r.pattern.intensity.extent, &from = r.object.extent;
  const Basis a = real_basis(b, pattern);
  const auto inside = moments(r.support);

  LabObject lab;
  lab.geometry = r.pattern.geometry;
  lab.pattern_extent = pattern;
  lab.sample = r.pattern.sample;

  // The ramp of the crystal, not of the noise around it, is taken off everything, and the mean phase with it.
  Volume<Complex> crystal = r.object;
  for (std::size_t i = 0; i < crystal.data.size(); ++i)
    if (!r.support.data[i]) crystal.data[i] = 0;
  const auto ramp = remove_ramp(crystal, threads);
  std::complex<double> mean = 0;
  for (const auto& v : crystal.data) mean += static_cast<double>(std::abs(v)) * std::complex<double>(v);
  require(std::abs(mean) > 0, "lab: the object is zero inside its support");
  Vector3 shift{};  // of the pattern, in reciprocal space [1/m]
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t i = 0; i < 3; ++i)
      shift[i] += ramp[k] * b[k][i] * static_cast<double>(pattern[k]) / static_cast<double>(2 * from[k]);
  Volume<Complex> flat = r.object;
  for (Index d = 0; d < from[0]; ++d)
    for (Index h = 0; h < from[1]; ++h)
      for (Index w = 0; w < from[2]; ++w) {
        double phase = -std::arg(mean);
        const Index x[3] = {d, h, w};
        for (std::size_t k = 0; k < 3; ++k)
          phase -= std::numbers::pi * ramp[k] * static_cast<double>(x[k] - from[k] / 2) / static_cast<double>(from[k]);
        flat(d, h, w) = Complex(std::complex<double>(flat(d, h, w)) * std::polar(1.0, phase));
      }

  // The grid: the box around the support, and some voxels more, with a voxel at the centre of mass.
  const double sheared_voxel = std::abs(determinant(a));
  lab.voxel = options.voxel > 0 ? options.voxel : std::cbrt(sheared_voxel);
  Vector3 low, high;
  low.fill(std::numeric_limits<double>::infinity());
  high.fill(-std::numeric_limits<double>::infinity());
  for (Index d = 0; d < from[0]; ++d)
    for (Index h = 0; h < from[1]; ++h)
      for (Index w = 0; w < from[2]; ++w) {
        if (!r.support(d, h, w)) continue;
        const Vector3 n{static_cast<double>(d) - inside.centre[0], static_cast<double>(h) - inside.centre[1],
                        static_cast<double>(w) - inside.centre[2]};
        for (std::size_t i = 0; i < 3; ++i) {
          const double position = a[0][i] * n[0] + a[1][i] * n[1] + a[2][i] * n[2];
          const double half = 0.5 * (std::abs(a[0][i]) + std::abs(a[1][i]) + std::abs(a[2][i]));
          low[i] = std::min(low[i], position - half);
          high[i] = std::max(high[i], position + half);
        }
      }
  Extent grid;
  Index first[3];  // of x, y, z
  double needed = 1;
  for (std::size_t i = 0; i < 3; ++i) {
    const double begin = std::floor(low[i] / lab.voxel) - static_cast<double>(options.margin),
                 end = std::ceil(high[i] / lab.voxel) + static_cast<double>(options.margin);
    needed *= end - begin + 1;
    require(needed < static_cast<double>(most_voxels),
            "lab: voxels of {:.3g} nm are too small, the grid would have more than {} of them", lab.voxel * 1e9, most_voxels);
    first[i] = static_cast<Index>(begin);
    grid[2 - i] = static_cast<Index>(end - begin) + 1;
    lab.origin[i] = begin * lab.voxel;
  }
  lab.object = Volume<Complex>(grid);
  lab.support = Volume<std::uint8_t>(grid);
  Stream stream(threads);
  cpu::parallel_tasks(stream, grid[0], [&](Index z) {
    for (Index y = 0; y < grid[1]; ++y)
      for (Index x = 0; x < grid[2]; ++x) {
        const Vector3 position{static_cast<double>(first[0] + x) * lab.voxel, static_cast<double>(first[1] + y) * lab.voxel,
                               static_cast<double>(first[2] + z) * lab.voxel};
        std::array<Taps, 3> cubic, linear;
        for (std::size_t k = 0; k < 3; ++k) {
          const double turns = dot(b[k], position) / (2 * std::numbers::pi);
          const double index = inside.centre[k] + turns * static_cast<double>(pattern[k]);
          cubic[k] = cubic_taps(index);
          linear[k] = linear_taps(index);
        }
        auto v = interpolated<std::complex<double>>(flat, cubic);
        if (options.keep_ramp) v *= std::polar(1.0, dot(shift, position));
        lab.object(z, y, x) = Complex(v);
        lab.support(z, y, x) = interpolated<double>(r.support, linear) >= 0.5;
      }
  });
  const auto count = std::count(lab.support.data.begin(), lab.support.data.end(), 1);
  require(count > 0, "lab: no voxel of {:.3g} nm lies inside the crystal; take a smaller --voxel-size", lab.voxel * 1e9);

  const auto unwrapped = unwrap(lab.object, lab.support);
  lab.phase = unwrapped.phase;
  auto& m = lab.metrics;
  m["parts"] = unwrapped.parts;
  m["volume"] = static_cast<double>(count) * std::pow(lab.voxel, 3);
  m["volume_before"] = static_cast<double>(inside.count) * sheared_voxel;
  Index least[3] = {grid[0], grid[1], grid[2]}, most[3] = {-1, -1, -1};
  for (Index z = 0; z < grid[0]; ++z)
    for (Index y = 0; y < grid[1]; ++y)
      for (Index x = 0; x < grid[2]; ++x) {
        if (!lab.support(z, y, x)) continue;
        const Index at[3] = {z, y, x};
        for (int k = 0; k < 3; ++k) least[k] = std::min(least[k], at[k]), most[k] = std::max(most[k], at[k]);
      }
  for (int k = 0; k < 3; ++k) m[std::string("size_") + "zyx"[k]] = static_cast<double>(most[k] - least[k] + 1) * lab.voxel;
  if (lab.geometry.bragg) {
    Vector3 q = *lab.geometry.bragg;
    m["lattice_spacing_centre"] = 2 * std::numbers::pi / length(q);
    Vector3 mean_q{q[0] + shift[0], q[1] + shift[1], q[2] + shift[2]};
    m["lattice_spacing"] = 2 * std::numbers::pi / length(mean_q);
    if (!options.keep_ramp) q = mean_q;
    const std::array<double, 3> voxel{lab.voxel, lab.voxel, lab.voxel};
    lab.displacement = displacement(lab.phase, q);
    lab.strain = strain(lab.object, lab.support, voxel, q);
    double sum = 0, squares = 0;
    float lowest = std::numeric_limits<float>::infinity(), highest = -lowest;
    for (std::size_t i = 0; i < lab.support.data.size(); ++i) {
      if (!lab.support.data[i]) continue;
      const double e = static_cast<double>(lab.strain.data[i]);
      sum += e, squares += e * e;
      lowest = std::min(lowest, lab.displacement.data[i]), highest = std::max(highest, lab.displacement.data[i]);
    }
    const double n = static_cast<double>(count);
    m["strain_mean"] = sum / n;
    m["strain_rms"] = std::sqrt(std::max(0.0, squares / n - sum * sum / (n * n)));
    m["displacement_range"] = static_cast<double>(highest - lowest);
  }
  for (const char* key : {"chi2", "pearson", "free_llk"})
    if (const auto known = r.metrics.find(key); known != r.metrics.end()) m[key] = known->second;
  return lab;
}

}  // namespace fringe

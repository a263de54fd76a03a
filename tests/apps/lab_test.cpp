#include "apps/phasing/lab.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "apps/io/geometry_file.h"
#include "apps/phasing/fourier.h"
#include "apps/phasing/metrics.h"
#include "apps/phasing/simulate.h"
#include "tests/apps/files.h"

using namespace fringe;
using namespace fringe::test;

namespace {

constexpr double degree = std::numbers::pi / 180;

/// A crystal in the laboratory: facets n.x <= d, unequal, and a displacement along Q.
struct Crystal {
  std::vector<std::pair<Vector3, double>> facets;
  std::function<double(const Vector3&)> displacement = [](const Vector3&) { return 0.0; };
  double q = 0;  // |Q|

  /// Distance to the surface, negative inside (exact there and next to facets).
  double outside(const Vector3& r) const {
    double s = -1;
    for (const auto& [n, d] : facets) s = std::max(s, dot(n, r) / length(n) - d);
    return s;
  }
  std::complex<double> density(const Vector3& r) const {
    return outside(r) <= 0 ? std::polar(1.0, -q * displacement(r)) : std::complex<double>(0);
  }
};

Crystal gold() {
  Crystal c;
  const double d[] = {180e-9, 200e-9, 150e-9, 170e-9, 160e-9, 190e-9, 205e-9, 185e-9};
  std::size_t k = 0;
  for (const double x : {-1.0, 1.0})
    for (const double y : {-1.0, 1.0})
      for (const double z : {-1.0, 1.0}) c.facets.push_back({turned({x, y, z}, {1, 2, -0.5}, 0.4), d[k++]});
  c.facets.push_back({turned({0, 1, 0}, {1, 2, -0.5}, 0.4), 165e-9});
  return c;
}

/// 34-ID-C with larger steps: frames of a 64^3 pattern are sheared by tens of degrees against the detector.
Diffractometer diffractometer(double step_degrees) {
  auto d = io::read_diffractometer(FRINGE_SOURCE_DIR "/examples/34idc.toml");
  d.scan.angle = step_degrees * degree;
  return d;
}

Reconstruction empty_result(const Diffractometer& d, const Extent& pattern, const Extent& object) {
  Reconstruction r;
  r.pattern.intensity = Volume<float>(pattern);
  locate(r.pattern.geometry, d, pattern, "test");
  r.object = Volume<Complex>(object);
  r.support = Volume<std::uint8_t>(object);
  return r;
}

/// The crystal on the sheared voxels, each with the mean of 4^3 points of it.
Reconstruction sheared(const Crystal& c, const Diffractometer& d, const Extent& pattern) {
  Reconstruction r = empty_result(d, pattern, {pattern[0] / 2, pattern[1] / 2, pattern[2] / 2});
  const Basis a = real_basis(*r.pattern.geometry.basis_vectors, pattern);
  const Extent& e = r.object.extent;
  for (Index i = 0; i < e[0]; ++i)
    for (Index j = 0; j < e[1]; ++j)
      for (Index k = 0; k < e[2]; ++k) {
        std::complex<double> sum = 0;
        for (int s = 0; s < 64; ++s) {
          const double n[3] = {static_cast<double>(i - e[0] / 2) + (s / 16 + 0.5) / 4 - 0.5,
                               static_cast<double>(j - e[1] / 2) + (s / 4 % 4 + 0.5) / 4 - 0.5,
                               static_cast<double>(k - e[2] / 2) + (s % 4 + 0.5) / 4 - 0.5};
          Vector3 x{};
          for (std::size_t p = 0; p < 3; ++p) x[p] = a[0][p] * n[0] + a[1][p] * n[1] + a[2][p] * n[2];
          sum += c.density(x) / 64.0;
        }
        r.object(i, j, k) = Complex(sum);
        r.support(i, j, k) = std::abs(sum) >= 0.5;
      }
  return r;
}

/// Where the grid's r = 0, the centre of mass of the sheared support, lies in the crystal's own coordinates.
Vector3 centre_of(const Reconstruction& r) {
  const Basis a = real_basis(*r.pattern.geometry.basis_vectors, r.pattern.intensity.extent);
  const Extent& e = r.object.extent;
  Vector3 sum{};
  double count = 0;
  for (Index i = 0; i < e[0]; ++i)
    for (Index j = 0; j < e[1]; ++j)
      for (Index k = 0; k < e[2]; ++k)
        if (r.support(i, j, k)) {
          ++count;
          for (std::size_t p = 0; p < 3; ++p)
            sum[p] += a[0][p] * static_cast<double>(i - e[0] / 2) + a[1][p] * static_cast<double>(j - e[1] / 2) +
                      a[2][p] * static_cast<double>(k - e[2] / 2);
        }
  return scaled(sum, 1 / count);
}

double volume_of(const Crystal& c) {
  const double step = 5e-9;
  Index inside = 0;
  for (Index i = -64; i < 64; ++i)
    for (Index j = -64; j < 64; ++j)
      for (Index k = -64; k < 64; ++k)
        inside += c.outside({step * (static_cast<double>(i) + 0.5), step * (static_cast<double>(j) + 0.5),
                             step * (static_cast<double>(k) + 0.5)}) <= 0;
  return static_cast<double>(inside) * step * step * step;
}

template <class Body>
void for_each_voxel(const LabObject& lab, const Body& body) {
  const Extent& e = lab.object.extent;
  for (Index z = 0; z < e[0]; ++z)
    for (Index y = 0; y < e[1]; ++y)
      for (Index x = 0; x < e[2]; ++x)
        body(Vector3{lab.origin[0] + lab.voxel * static_cast<double>(x), lab.origin[1] + lab.voxel * static_cast<double>(y),
                     lab.origin[2] + lab.voxel * static_cast<double>(z)},
             static_cast<std::size_t>((z * e[1] + y) * e[2] + x));
}

/// The largest distance from the true surface of a voxel that is on its wrong side [m].
double worst_miss(const LabObject& lab, const Crystal& c, const Vector3& centre) {
  double worst = 0;
  for_each_voxel(lab, [&](const Vector3& r, std::size_t i) {
    const double s = c.outside({r[0] + centre[0], r[1] + centre[1], r[2] + centre[2]});
    if ((s <= 0) != (lab.support.data[i] != 0)) worst = std::max(worst, std::abs(s));
  });
  return worst;
}

/// F at the voxels of a pattern by summing exp(-i q.r) over points of the crystal: knows nothing of real-space voxels.
ComplexField direct_transform(const Crystal& c, const Geometry& g, const Extent& extent) {
  constexpr double step = 15e-9;
  constexpr Index reach = 16, side = 2 * reach + 1;
  std::vector<std::complex<double>> density;
  for (Index z = -reach; z <= reach; ++z)
    for (Index y = -reach; y <= reach; ++y)
      for (Index x = -reach; x <= reach; ++x)
        density.push_back(
            c.density({step * static_cast<double>(x), step * static_cast<double>(y), step * static_cast<double>(z)}));
  std::vector<std::pair<std::size_t, std::size_t>> inside;  // of each row of points along x; the crystal is convex
  for (std::size_t row = 0; row < side * side; ++row) {
    std::size_t begin = 0, end = side;
    while (begin < end && density[row * side + begin] == 0.0) ++begin;
    while (begin < end && density[row * side + end - 1] == 0.0) --end;
    inside.emplace_back(begin, end);
  }
  ComplexField field(extent);
  std::array<std::vector<std::complex<double>>, 3> wave;
  for (Index i = 0; i < field.size(); ++i) {
    const double n[3] = {static_cast<double>(i / (extent[1] * extent[2]) - extent[0] / 2),
                         static_cast<double>(i / extent[2] % extent[1] - extent[1] / 2),
                         static_cast<double>(i % extent[2] - extent[2] / 2)};
    for (std::size_t p = 0; p < 3; ++p) {
      const auto& b = *g.basis_vectors;
      const double q = b[0][p] * n[0] + b[1][p] * n[1] + b[2][p] * n[2];
      wave[p].clear();
      for (Index k = -reach; k <= reach; ++k) wave[p].push_back(std::polar(1.0, -q * step * static_cast<double>(k)));
    }
    std::complex<double> total = 0;
    for (std::size_t z = 0; z < side; ++z)
      for (std::size_t y = 0; y < side; ++y) {
        std::complex<double> line = 0;
        const auto* row = density.data() + (z * side + y) * side;
        const auto [begin, end] = inside[z * side + y];
        for (std::size_t x = begin; x < end; ++x) line += row[x] * wave[0][x];
        if (begin < end) total += line * wave[1][y] * wave[2][z];
      }
    field.data[static_cast<std::size_t>(i)] = total;
  }
  return field;
}

/// The object that belongs to a complex pattern, its support where it has half the crystal's density.
void invert(Reconstruction& r, ComplexField field) {
  fourier_inverse(field);
  const double level = density_level(field);
  for (std::size_t i = 0; i < field.data.size(); ++i) {
    r.object.data[i] = Complex(field.data[i]);
    r.support.data[i] = std::abs(field.data[i]) >= 0.5 * level;
  }
}

}  // namespace

TEST_SUITE("lab") {
  TEST_CASE("a crystal on sheared voxels is recovered within a voxel, its volume within a hundredth") {
    auto c = gold();
    const auto r = sheared(c, diffractometer(0.012), {64, 64, 64});
    const Basis a = real_basis(*r.pattern.geometry.basis_vectors, {64, 64, 64});
    const double right = std::abs(determinant(a)) / (length(a[0]) * length(a[1]) * length(a[2]));
    CHECK(right < 0.95);  // sheared indeed: 1 would be a box
    const auto lab = to_laboratory(r);
    CHECK(lab.voxel == doctest::Approx(std::cbrt(std::abs(determinant(a)))));
    CHECK(worst_miss(lab, c, centre_of(r)) < 0.5 * lab.voxel);
    CHECK(lab.metrics.at("volume") == doctest::Approx(lab.metrics.at("volume_before")).epsilon(0.01));
    CHECK(lab.metrics.at("volume") == doctest::Approx(volume_of(c)).epsilon(0.01));
    // The density is conserved, too, and is right in the middle.
    std::complex<double> before = 0, after = 0;
    for (const auto& v : r.object.data) before += std::abs(v);
    for (const auto& v : lab.object.data) after += std::abs(v);
    CHECK(std::abs(after) * std::pow(lab.voxel, 3) ==
          doctest::Approx(std::abs(before) * std::abs(determinant(a))).epsilon(0.03));
    for_each_voxel(lab, [&](const Vector3& x, std::size_t i) {
      if (length(x) < 80e-9) CHECK(std::abs(lab.object.data[i]) == doctest::Approx(1).epsilon(0.01));
    });
    // Wrong axes would show: taken as a box, the crystal is not where it is.
    auto box = r;
    box.pattern.geometry.basis_vectors = {{{0, 0, length((*r.pattern.geometry.basis_vectors)[0])},
                                           {0, -length((*r.pattern.geometry.basis_vectors)[1]), 0},
                                           {length((*r.pattern.geometry.basis_vectors)[2]), 0, 0}}};
    CHECK(worst_miss(to_laboratory(box), c, {0, 0, 0}) > 2 * lab.voxel);
    // Finer voxels: the same crystal.
    const auto fine = to_laboratory(r, {.voxel = 10e-9}, 2);
    CHECK(worst_miss(fine, c, centre_of(r)) < 0.5 * lab.voxel);
    CHECK(fine.metrics.at("volume") == doctest::Approx(volume_of(c)).epsilon(0.01));
  }

  TEST_CASE("displacement and strain come back; the mean lattice is the reference unless the ramp is kept") {
    auto c = gold();
    const auto d = diffractometer(0.012);
    Geometry g;
    locate(g, d, {64, 64, 64}, "test");
    const Vector3 q = *g.bragg, along = scaled(q, 1 / length(q));
    c.q = length(q);
    // Twist and bending of some 1e-3, many radians in all.
    const double size = 180e-9;
    c.displacement = [&](const Vector3& r) {
      const double s = dot(along, r) / size, t = dot(cross(along, {1, 0, 0}), r) / size;
      return 1.2e-10 * (s * s - t * t) + 0.5e-10 * s;
    };
    const auto truth = [&](const Vector3& r) { return (2 * 1.2e-10 * dot(along, r) / size + 0.5e-10) / size; };
    const auto r = sheared(c, d, {64, 64, 64});
    const auto centre = centre_of(r);
    const auto kept = to_laboratory(r, {.keep_ramp = true});
    double worst_u = 0, worst_e = 0, offset = NAN, range = 0;
    for_each_voxel(kept, [&](const Vector3& x, std::size_t i) {
      const Vector3 at{x[0] + centre[0], x[1] + centre[1], x[2] + centre[2]};
      if (c.outside(at) > -1.5 * kept.voxel) return;
      const double u = static_cast<double>(kept.displacement.data[i]);
      if (std::isnan(offset)) offset = u - c.displacement(at);
      worst_u = std::max(worst_u, std::abs(u - c.displacement(at) - offset));
      worst_e = std::max(worst_e, std::abs(static_cast<double>(kept.strain.data[i]) - truth(at)));
      range = std::max(range, std::abs(truth(at)));
    });
    CHECK(worst_u < 2e-12);  // of 2e-10
    CHECK(worst_e < 0.06 * range);
    CHECK(range > 1.2e-3);
    const auto free = to_laboratory(r);
    CHECK(std::abs(free.metrics.at("strain_mean")) < 1e-4);
    CHECK(free.metrics.at("strain_rms") == doctest::Approx(kept.metrics.at("strain_rms")).epsilon(0.02));
    // The mean strain is in the mean spacing instead.
    CHECK(free.metrics.at("lattice_spacing") / free.metrics.at("lattice_spacing_centre") - 1 ==
          doctest::Approx(kept.metrics.at("strain_mean")).epsilon(0.15));
  }

  TEST_CASE("a lattice that is wider by 2e-3 puts its peak at smaller |Q| and comes out with that strain, everywhere") {
    auto c = gold();
    const auto d = diffractometer(0.012);
    Reconstruction r = empty_result(d, {32, 32, 32}, {32, 32, 32});
    const auto& g = r.pattern.geometry;
    const Vector3 q = *g.bragg, along = scaled(q, 1 / length(q));
    c.q = length(q);
    c.displacement = [&](const Vector3& x) { return 2e-3 * dot(along, x); };
    auto field = direct_transform(c, g, {32, 32, 32});
    Vector3 mean{};
    double sum = 0;
    for (Index i = 0; i < field.size(); ++i) {
      const double w = std::norm(field.data[static_cast<std::size_t>(i)]);
      const double n[3] = {static_cast<double>(i / 1024 - 16), static_cast<double>(i / 32 % 32 - 16),
                           static_cast<double>(i % 32 - 16)};
      sum += w;
      for (std::size_t p = 0; p < 3; ++p)
        for (std::size_t k = 0; k < 3; ++k) mean[p] += w * n[k] * (*g.basis_vectors)[k][p];
    }
    CHECK(dot(along, mean) / sum == doctest::Approx(-2e-3 * length(q)).epsilon(0.05));
    invert(r, field);
    const auto kept = to_laboratory(r, {.keep_ramp = true});
    // The pattern ends sharply at the array's edge, so that the phase has ripples: the mean is free of them.
    double inside = 0, voxels = 0;
    for_each_voxel(kept, [&](const Vector3& x, std::size_t i) {
      if (length(x) < 110e-9) inside += static_cast<double>(kept.strain.data[i]), ++voxels;
    });
    CHECK(inside / voxels == doctest::Approx(2e-3).epsilon(0.01));
    const auto free = to_laboratory(r);
    CHECK(free.metrics.at("lattice_spacing") ==
          doctest::Approx(free.metrics.at("lattice_spacing_centre") * 1.002).epsilon(1e-4));
  }

  TEST_CASE("the pattern computed in the laboratory gives the crystal back, from raw, binned and cropped voxels alike") {
    const auto c = gold();
    const auto d = diffractometer(0.01);
    const Extent raw{64, 32, 32};
    Reconstruction whole = empty_result(d, raw, raw);
    const auto field = direct_transform(c, whole.pattern.geometry, raw);
    invert(whole, field);
    // Two frames into one, and the middle of it.
    const Extent half{32, 32, 32}, middle{24, 28, 28};
    Reconstruction binned, cropped;
    for (auto* r : {&binned, &cropped}) {
      const Extent& e = r == &binned ? half : middle;
      r->pattern.intensity = Volume<float>(e);
      r->pattern.geometry.binning = {2, 1, 1};
      for (int k = 0; k < 3; ++k) r->pattern.geometry.origin[k] = raw[k] / 2 - e[k] / 2 * r->pattern.geometry.binning[k];
      locate(r->pattern.geometry, d, e, "test");
      r->object = Volume<Complex>(e);
      r->support = Volume<std::uint8_t>(e);
    }
    ComplexField pairs(half);
    for (Index i = 0; i < 32; ++i)
      for (Index j = 0; j < 32; ++j)
        for (Index k = 0; k < 32; ++k) pairs(i, j, k) = field(2 * i, j, k) + field(2 * i + 1, j, k);
    invert(binned, pairs);
    invert(cropped, pad_or_crop(pairs, middle));
    const double volume = volume_of(c), voxel = 30e-9;
    for (const auto* r : {&whole, &binned, &cropped}) {
      const auto lab = to_laboratory(*r, {.voxel = voxel});
      CHECK(worst_miss(lab, c, centre_of(*r)) < voxel);
      CHECK(lab.metrics.at("volume") == doctest::Approx(volume).epsilon(0.04));
    }
  }

  TEST_CASE("what cannot be brought to the laboratory is refused with its reason") {
    auto r = sheared(gold(), diffractometer(0.012), {32, 32, 32});
    auto other = r;
    other.pattern.geometry = {};
    CHECK_THROWS_WITH_AS(to_laboratory(other), doctest::Contains("give --geometry FILE"), Error);
    other = r;
    (*other.pattern.geometry.basis_vectors)[0] = (*other.pattern.geometry.basis_vectors)[1];
    CHECK_THROWS_WITH_AS(to_laboratory(other), doctest::Contains("singular"), Error);
    other = r;
    std::fill(other.support.data.begin(), other.support.data.end(), std::uint8_t{0});
    CHECK_THROWS_WITH_AS(to_laboratory(other), doctest::Contains("the support is empty"), Error);
    CHECK_THROWS_WITH_AS(to_laboratory(r, {.voxel = 1e-11}), doctest::Contains("are too small"), Error);
    // Without a scattering vector there is a crystal, but no displacement.
    other = r;
    other.pattern.geometry.bragg.reset();
    CHECK(to_laboratory(other).strain.empty());
  }
}

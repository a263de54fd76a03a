#include "apps/phasing/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "apps/phasing/coherence.h"
#include "apps/phasing/random.h"
#include "kernels/error.h"

namespace fringe {
namespace {

constexpr double least_photons = 1e-9;

void require_same(const char* what, const Extent& found, const Extent& expected) {
  require(found == expected, "{}: an array of {} x {} x {} voxels does not fit one of {} x {} x {}", what, found[0],
          found[1], found[2], expected[0], expected[1], expected[2]);
}

/// Calls body(P, I) for the measured voxels that are, or are not, in `free`.
template <class Body>
void for_each_measured(const char* what, const Volume<float>& calculated, const Pattern& pattern, const Mask& free,
                       bool in_free, const Body& body) {
  require_same(what, calculated.extent, pattern.intensity.extent);
  if (!free.empty()) require_same(what, free.extent, pattern.intensity.extent);
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (!pattern.measured(i) || (!free.empty() && free.data[at] != 0) != in_free) continue;
    body(static_cast<double>(calculated.data[at]), static_cast<double>(pattern.intensity.data[at]));
  }
}

double llk_term(double expected, double measured) {
  expected = std::max(expected, least_photons);
  if (measured <= 0) return expected;
  return expected - measured + measured * std::log(measured / expected);
}

/// s = sum I / sum P over the voxels of the fit: the maximum of the likelihood.
double intensity_scale(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  double p_sum = 0, i_sum = 0;
  for_each_measured("poisson_llk", calculated, pattern, free, false, [&](double p, double i) {
    p_sum += p;
    i_sum += i;
  });
  return p_sum > 0 ? i_sum / p_sum : 0;
}

double mean_llk(const Volume<float>& calculated, const Pattern& pattern, const Mask& free, bool in_free) {
  const double scale = intensity_scale(calculated, pattern, free);
  double sum = 0;
  Index count = 0;
  for_each_measured("poisson_llk", calculated, pattern, free, in_free, [&](double p, double i) {
    sum += llk_term(scale * p, i);
    ++count;
  });
  return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN();
}

double norm(const std::array<double, 3>& v) { return std::hypot(v[0], v[1], v[2]); }

/// Deals the voxels of a centred array to shells.
class Shells {
 public:
  Shells(const Extent& extent, const Basis& basis) : extent_(extent), basis_(basis) {
    width_ = std::max({norm(basis[0]), norm(basis[1]), norm(basis[2])});
    require(width_ > 0 && std::isfinite(width_), "shells: the basis vectors must be finite and not all zero");
    double reach = std::numeric_limits<double>::max();
    // Distance of the array's faces from the origin: N/2 steps along one axis, projected on the normal of the other two.
    for (int i = 0; i < 3; ++i) {
      const auto &u = basis[(i + 1) % 3], &v = basis[(i + 2) % 3];
      const std::array<double, 3> normal{u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
      const double height = normal[0] * basis[i][0] + normal[1] * basis[i][1] + normal[2] * basis[i][2];
      require(norm(normal) > 0 && height != 0, "shells: the basis vectors must not lie in one plane");
      reach = std::min(reach, static_cast<double>((extent[i] - 1) / 2) * std::abs(height) / norm(normal));
    }
    count_ = std::max<Index>(1, static_cast<Index>(std::floor(reach / width_ + 1e-9)) + 1);
  }
  Index count() const { return count_; }

  /// body(voxel, shell) for every voxel that is in one.
  template <class Body>
  void for_each(const Body& body) const {
    Index i = 0;
    for (Index d = 0; d < extent_[0]; ++d)
      for (Index h = 0; h < extent_[1]; ++h)
        for (Index w = 0; w < extent_[2]; ++w, ++i) {
          const double x[3] = {static_cast<double>(d - extent_[0] / 2), static_cast<double>(h - extent_[1] / 2),
                               static_cast<double>(w - extent_[2] / 2)};
          double q2 = 0;
          for (int k = 0; k < 3; ++k) {
            const double component = x[0] * basis_[0][k] + x[1] * basis_[1][k] + x[2] * basis_[2][k];
            q2 += component * component;
          }
          const auto shell = static_cast<Index>(std::sqrt(q2) / width_ + 0.5);
          if (shell < count_) body(static_cast<std::size_t>(i), static_cast<std::size_t>(shell));
        }
  }

  ShellCurve curve() const {
    ShellCurve c;
    for (Index s = 0; s < count_; ++s) c.q.push_back(static_cast<double>(s) * width_);
    c.value.assign(c.q.size(), 0);
    c.voxels.assign(c.q.size(), 0);
    return c;
  }

 private:
  Extent extent_;
  Basis basis_;
  double width_ = 1;
  Index count_ = 1;
};

}  // namespace

// ---- against the pattern -----------------------------------------------------------------------------------------------

double amplitude_scale(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  double cross = 0, sum = 0;
  for_each_measured("chi2", calculated, pattern, free, false, [&](double p, double i) {
    cross += std::sqrt(p * i);
    sum += p;
  });
  return sum > 0 ? cross / sum : 0;
}

double chi2(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  const double scale = amplitude_scale(calculated, pattern, free);
  double residual = 0, sum = 0;
  for_each_measured("chi2", calculated, pattern, free, false, [&](double p, double i) {
    const double difference = scale * std::sqrt(p) - std::sqrt(i);
    residual += difference * difference;
    sum += i;
  });
  return sum > 0 ? residual / sum : std::numeric_limits<double>::quiet_NaN();
}

double pearson(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  double count = 0, p_mean = 0, i_mean = 0;
  for_each_measured("pearson", calculated, pattern, free, false, [&](double p, double i) {
    p_mean += std::sqrt(p);
    i_mean += std::sqrt(i);
    count += 1;
  });
  if (count == 0) return std::numeric_limits<double>::quiet_NaN();
  p_mean /= count, i_mean /= count;
  double pp = 0, ii = 0, pi = 0;
  for_each_measured("pearson", calculated, pattern, free, false, [&](double p, double i) {
    const double x = std::sqrt(p) - p_mean, y = std::sqrt(i) - i_mean;
    pp += x * x, ii += y * y, pi += x * y;
  });
  return pp > 0 && ii > 0 ? pi / std::sqrt(pp * ii) : 0;
}

double poisson_llk(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  return mean_llk(calculated, pattern, free, false);
}

double free_llk(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  require(!free.empty(), "free_llk: no voxels were held out");
  return mean_llk(calculated, pattern, free, true);
}

Difference mean_difference(const std::vector<double>& differences) {
  const auto count = static_cast<double>(differences.size());
  const double mean = std::accumulate(differences.begin(), differences.end(), 0.0) / count;
  double squares = 0;
  for (const double d : differences) squares += (d - mean) * (d - mean);
  return {mean, std::sqrt(squares / (count - 1) / count)};
}

Difference free_llk_difference(const Volume<float>& a, const Volume<float>& b, const Pattern& pattern, const Mask& free) {
  require(!free.empty(), "free_llk: no voxels were held out");
  const double a_scale = intensity_scale(a, pattern, free), b_scale = intensity_scale(b, pattern, free);
  std::vector<double> terms;
  for_each_measured("free_llk", a, pattern, free, true,
                    [&](double p, double i) { terms.push_back(llk_term(a_scale * p, i)); });
  std::size_t at = 0;
  for_each_measured("free_llk", b, pattern, free, true, [&](double p, double i) { terms[at++] -= llk_term(b_scale * p, i); });
  require(terms.size() > 1, "free_llk: {} voxels were held out", terms.size());
  return mean_difference(terms);
}

FitQuality fit_quality(const Volume<float>& calculated, const Pattern& pattern, const Mask& free) {
  FitQuality quality{amplitude_scale(calculated, pattern, free), chi2(calculated, pattern, free),
                     pearson(calculated, pattern, free), poisson_llk(calculated, pattern, free), {}};
  if (!free.empty()) quality.free_llk = free_llk(calculated, pattern, free);
  return quality;
}

Volume<float> calculated_intensity(const Volume<Complex>& object, const Pattern& pattern, const Mask& free, int threads) {
  ComplexField field = pad_or_crop(converted<std::complex<double>>(object), pattern.intensity.extent);
  fourier_forward(field, threads);
  if (pattern.partially_coherent()) {
    Volume<float> intensity(field.extent);
    for (std::size_t i = 0; i < field.data.size(); ++i) intensity.data[i] = static_cast<float>(std::norm(field.data[i]));
    blur(intensity, pattern.coherence);
    const double scale = amplitude_scale(intensity, pattern, free);
    for (auto& v : intensity.data) v = static_cast<float>(scale * scale * static_cast<double>(v));
    return intensity;
  }
  double cross = 0, sum = 0;
  for (Index i = 0; i < field.size(); ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (!pattern.measured(i) || (!free.empty() && free.data[at] != 0)) continue;
    cross += std::abs(field.data[at]) * std::sqrt(static_cast<double>(pattern.intensity.data[at]));
    sum += std::norm(field.data[at]);
  }
  const double scale = sum > 0 ? cross / sum : 0;
  Volume<float> intensity(field.extent);
  for (std::size_t i = 0; i < field.data.size(); ++i)
    intensity.data[i] = static_cast<float>(scale * scale * std::norm(field.data[i]));
  return intensity;
}

Mask make_free_mask(std::uint64_t seed, const Extent& extent, const Mask& measured, const FreeVoxels& options) {
  require(options.fraction >= 0 && options.fraction < 0.5, "free voxels: the fraction must be in [0, 0.5), not {}",
          options.fraction);
  require(options.island_radius >= 0 && options.excluded_centre >= 0, "free voxels: radii must not be negative");
  if (!measured.empty()) require_same("free voxels", measured.extent, extent);
  Mask free(extent);
  const auto candidate = [&](Index d, Index h, Index w) {
    if (!measured.empty() && measured(d, h, w) == 0) return false;
    const Index x[3] = {d, h, w};
    double r2 = 0;  // in units of the excluded radius along each axis
    for (int k = 0; k < 3; ++k) {
      const double reach = std::max(0.5, options.excluded_centre * static_cast<double>(extent[k]));
      const double r = static_cast<double>(x[k] - extent[k] / 2) / reach;
      r2 += r * r;
    }
    return r2 > 1;
  };
  Index available = 0, total = 0;
  for (Index d = 0; d < extent[0]; ++d)
    for (Index h = 0; h < extent[1]; ++h)
      for (Index w = 0; w < extent[2]; ++w) {
        available += candidate(d, h, w);
        total += measured.empty() || measured(d, h, w) != 0;
      }
  const auto wanted = static_cast<Index>(std::ceil(options.fraction * static_cast<double>(total)));
  require(2 * wanted <= available || wanted == 0, "free voxels: only {} voxels could be held out, {} are wanted", available,
          wanted);
  Random random(seed, Draw::free_voxels, 0);
  const auto reach = static_cast<Index>(options.island_radius);
  const auto near = [&](Index centre, Index size) {
    return std::pair{std::max<Index>(0, centre - reach), std::min(size - 1, centre + reach)};
  };
  Index held = 0;
  while (held < wanted) {
    Index c[3];
    for (int k = 0; k < 3; ++k) c[k] = static_cast<Index>(random.uniform() * static_cast<double>(extent[k]));
    const auto [d0, d1] = near(c[0], extent[0]);
    const auto [h0, h1] = near(c[1], extent[1]);
    const auto [w0, w1] = near(c[2], extent[2]);
    for (Index d = d0; d <= d1; ++d)
      for (Index h = h0; h <= h1; ++h)
        for (Index w = w0; w <= w1; ++w) {
          const auto r2 = static_cast<double>((d - c[0]) * (d - c[0]) + (h - c[1]) * (h - c[1]) + (w - c[2]) * (w - c[2]));
          if (r2 > options.island_radius * options.island_radius || free(d, h, w) || !candidate(d, h, w)) continue;
          free(d, h, w) = 1;
          ++held;
        }
  }
  return free;
}

// ---- shells of constant |Q| -----------------------------------------------------------------------------------------------

ShellCurve shell_sums(const Volume<float>& intensity, const Mask& measured, const Basis& basis) {
  if (!measured.empty()) require_same("shell sums", measured.extent, intensity.extent);
  const Shells shells(intensity.extent, basis);
  ShellCurve curve = shells.curve();
  shells.for_each([&](std::size_t i, std::size_t s) {
    if (!measured.empty() && measured.data[i] == 0) return;
    curve.value[s] += std::sqrt(static_cast<double>(intensity.data[i]));
    ++curve.voxels[s];
  });
  return curve;
}

ShellCurve prtf(const std::vector<Volume<Complex>>& objects, const Pattern& pattern, const Basis& basis, int threads) {
  require(!objects.empty(), "prtf: no objects");
  const Extent& extent = pattern.intensity.extent;
  ComplexField mean(extent);
  for (const auto& object : objects) {
    ComplexField field = pad_or_crop(converted<std::complex<double>>(object), extent);
    fourier_forward(field, threads);
    double cross = 0, sum = 0;
    for (Index i = 0; i < field.size(); ++i) {
      const auto at = static_cast<std::size_t>(i);
      if (!pattern.measured(i)) continue;
      cross += std::abs(field.data[at]) * std::sqrt(static_cast<double>(pattern.intensity.data[at]));
      sum += std::norm(field.data[at]);
    }
    const double scale = sum > 0 ? cross / sum / static_cast<double>(objects.size()) : 0;
    for (std::size_t i = 0; i < mean.data.size(); ++i) mean.data[i] += scale * field.data[i];
  }
  const Shells shells(extent, basis);
  ShellCurve curve = shells.curve();
  std::vector<double> measured(curve.q.size(), 0);
  shells.for_each([&](std::size_t i, std::size_t s) {
    if (!pattern.measured(static_cast<Index>(i))) return;
    curve.value[s] += std::abs(mean.data[i]);
    measured[s] += std::sqrt(static_cast<double>(pattern.intensity.data[i]));
    ++curve.voxels[s];
  });
  for (std::size_t s = 0; s < measured.size(); ++s) curve.value[s] = measured[s] > 0 ? curve.value[s] / measured[s] : 0;
  return curve;
}

ShellCurve fourier_shell_correlation(const ComplexField& a, const ComplexField& b, const Basis& basis, int threads) {
  require_same("Fourier shell correlation", a.extent, b.extent);
  ComplexField fa = a, fb = b;
  fourier_forward(fa, threads);
  fourier_forward(fb, threads);
  const Shells shells(a.extent, basis);
  ShellCurve curve = shells.curve();
  std::vector<double> aa(curve.q.size(), 0), bb(curve.q.size(), 0);
  shells.for_each([&](std::size_t i, std::size_t s) {
    curve.value[s] += (fa.data[i] * std::conj(fb.data[i])).real();
    aa[s] += std::norm(fa.data[i]);
    bb[s] += std::norm(fb.data[i]);
    ++curve.voxels[s];
  });
  for (std::size_t s = 0; s < aa.size(); ++s) {
    const double size = std::sqrt(aa[s] * bb[s]);
    curve.value[s] = size > 0 ? curve.value[s] / size : 0;
  }
  return curve;
}

std::optional<double> crossing(const ShellCurve& curve, double threshold) {
  for (std::size_t s = 1; s < curve.value.size(); ++s) {
    const double above = curve.value[s - 1], below = curve.value[s];
    if (above >= threshold && below < threshold)
      return curve.q[s - 1] + (curve.q[s] - curve.q[s - 1]) * (above - threshold) / (above - below);
  }
  return {};
}

// ---- object against object ----------------------------------------------------------------------------------------------

double density_level(const ComplexField& object) {
  double cubes = 0, squares = 0;
  for (const auto& v : object.data) {
    const double a = std::abs(v);
    squares += a * a;
    cubes += a * a * a;
  }
  return squares > 0 ? cubes / squares : 0;
}

Mask support_of(const ComplexField& object, double threshold) {
  const double level = threshold * density_level(object);
  Mask support(object.extent);
  for (std::size_t i = 0; i < support.data.size(); ++i) {
    const double a = std::abs(object.data[i]);
    support.data[i] = a > 0 && a >= level;
  }
  return support;
}

ObjectAgreement object_agreement(const ComplexField& a, const ComplexField& b, double threshold) {
  require_same("object agreement", a.extent, b.extent);
  const Mask in_a = support_of(a, threshold), in_b = support_of(b, threshold);
  std::complex<double> cross = 0, common = 0;
  double aa = 0, bb = 0, ab = 0;
  Index both = 0, either = 0;
  for (std::size_t i = 0; i < a.data.size(); ++i) {
    const auto product = a.data[i] * std::conj(b.data[i]);
    cross += product;
    aa += std::norm(a.data[i]);
    bb += std::norm(b.data[i]);
    ab += std::abs(product);
    either += in_a.data[i] || in_b.data[i];
    if (!in_a.data[i] || !in_b.data[i]) continue;
    ++both;
    common += product / std::abs(product);
  }
  ObjectAgreement agreement;
  require(aa > 0 && bb > 0, "object agreement: an object is zero everywhere");
  agreement.error = std::sqrt(std::max(0.0, 1 - std::norm(cross) / (aa * bb)));
  agreement.amplitude_error = std::sqrt(std::max(0.0, 1 - ab * ab / (aa * bb)));  // at the best s = ab / aa
  agreement.overlap = either > 0 ? static_cast<double>(both) / static_cast<double>(either) : 0;
  agreement.common_voxels = both;
  double squares = 0;
  const double mean = std::arg(common);
  for (std::size_t i = 0; i < a.data.size(); ++i)
    if (in_a.data[i] && in_b.data[i]) {
      const double difference = std::remainder(std::arg(a.data[i] * std::conj(b.data[i])) - mean, 2 * std::numbers::pi);
      squares += difference * difference;
    }
  agreement.phase_error = both > 0 ? std::sqrt(squares / static_cast<double>(both)) : 0;
  return agreement;
}

}  // namespace fringe

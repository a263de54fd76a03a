#include "apps/phasing/alignment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "kernels/cpu/parallel.h"
#include "kernels/error.h"

namespace fringe {
namespace {

using Vector = std::array<double, 3>;
using Phasor = std::complex<double>;
constexpr double two_pi = 2 * std::numbers::pi;

/// k counted from the array's middle, times 2 pi / M.
double frequency(Index i, Index extent) { return two_pi * static_cast<double>(i - extent / 2) / static_cast<double>(extent); }

/// exp(i sign k v) along each axis.
std::array<std::vector<Phasor>, 3> phasors(const Extent& extent, const Vector& shift, double sign) {
  std::array<std::vector<Phasor>, 3> out;
  for (int axis = 0; axis < 3; ++axis)
    for (Index i = 0; i < extent[axis]; ++i)
      out[axis].push_back(std::polar(1.0, sign * frequency(i, extent[axis]) * shift[axis]));
  return out;
}

/// Equation (1) with its first and second derivatives by v.
struct Correlation {
  Phasor value = 0, gradient[3] = {}, hessian[3][3] = {};
};

Correlation correlate(const ComplexField& product, const Vector& shift, int threads) {
  const auto [D, H, W] = product.extent;
  const auto e = phasors(product.extent, shift, +1);
  std::vector<Correlation> plane(static_cast<std::size_t>(D));
  Stream stream(threads);
  cpu::parallel_tasks(stream, D, [&](Index d) {
    Correlation& c = plane[static_cast<std::size_t>(d)];
    const double kd = frequency(d, D);
    for (Index h = 0; h < H; ++h) {
      const double kh = frequency(h, H);
      Phasor row[3] = {};  // sums over w of p, p k_w, p k_w^2
      for (Index w = 0; w < W; ++w) {
        const Phasor p = product(d, h, w) * e[2][static_cast<std::size_t>(w)];
        const double kw = frequency(w, W);
        row[0] += p;
        row[1] += p * kw;
        row[2] += p * (kw * kw);
      }
      const Phasor outer = e[0][static_cast<std::size_t>(d)] * e[1][static_cast<std::size_t>(h)];
      for (auto& r : row) r *= outer;
      const Phasor first[3] = {kd * row[0], kh * row[0], row[1]};
      const Phasor second[3][3] = {{kd * kd * row[0], kd * kh * row[0], kd * row[1]},
                                   {kd * kh * row[0], kh * kh * row[0], kh * row[1]},
                                   {kd * row[1], kh * row[1], row[2]}};
      c.value += row[0];
      for (int i = 0; i < 3; ++i) {
        c.gradient[i] += Phasor(0, 1) * first[i];
        for (int j = 0; j < 3; ++j) c.hessian[i][j] -= second[i][j];
      }
    }
  });
  Correlation sum;
  for (const auto& c : plane) {
    sum.value += c.value;
    for (int i = 0; i < 3; ++i) {
      sum.gradient[i] += c.gradient[i];
      for (int j = 0; j < 3; ++j) sum.hessian[i][j] += c.hessian[i][j];
    }
  }
  return sum;
}

/// x with A x = b by Cramer's rule.
Vector solve(const double (&a)[3][3], const Vector& b) {
  const auto determinant = [](const double (&m)[3][3]) {
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
  };
  const double whole = determinant(a);
  Vector x{};
  for (int column = 0; column < 3; ++column) {
    double m[3][3];
    for (int i = 0; i < 3; ++i)
      for (int j = 0; j < 3; ++j) m[i][j] = j == column ? b[i] : a[i][j];
    x[column] = determinant(m) / whole;
  }
  return x;
}

/// Climbs |C(v)|^2 from `shift`: Newton steps, damped (Levenberg) until they climb.
Vector refine(const ComplexField& product, Vector shift, int threads) {
  Correlation c = correlate(product, shift, threads);
  double height = std::norm(c.value), damping = 0;
  for (int iteration = 0; iteration < 30; ++iteration) {
    Vector gradient;
    double curvature[3][3], largest = 0;
    for (int i = 0; i < 3; ++i) {
      gradient[i] = 2 * (std::conj(c.value) * c.gradient[i]).real();
      for (int j = 0; j < 3; ++j)
        curvature[i][j] = -2 * (std::conj(c.gradient[j]) * c.gradient[i] + std::conj(c.value) * c.hessian[i][j]).real();
      largest = std::max(largest, std::abs(curvature[i][i]));
    }
    if (!(largest > 0)) return shift;
    double length = 0;
    for (;;) {
      double damped[3][3];
      for (int i = 0; i < 3; ++i)
        for (int j = 0; j < 3; ++j) damped[i][j] = curvature[i][j] + (i == j ? damping * largest : 0);
      const Vector step = solve(damped, gradient);
      length = std::hypot(step[0], step[1], step[2]);
      if (std::isfinite(length) && length < 1) {
        const Vector next{shift[0] + step[0], shift[1] + step[1], shift[2] + step[2]};
        Correlation at_next = correlate(product, next, threads);
        if (std::norm(at_next.value) >= height) {
          shift = next;
          c = at_next;
          height = std::norm(c.value);
          damping /= 8;
          if (damping < 1e-4) damping = 0;
          break;
        }
        if (length < 1e-7) return shift;  // at the top, to rounding
      }
      damping = damping > 0 ? 4 * damping : 1e-3;
      if (damping > 1e9) return shift;
    }
    if (length < 1e-7) break;
  }
  return shift;
}

double energy(const ComplexField& field) {
  double sum = 0;
  for (const auto& v : field.data) sum += std::norm(v);
  return sum;
}

void multiply(ComplexField& field, const std::array<std::vector<Phasor>, 3>& e, Phasor factor) {
  const auto [D, H, W] = field.extent;
  for (Index d = 0; d < D; ++d)
    for (Index h = 0; h < H; ++h) {
      const Phasor outer = factor * e[0][static_cast<std::size_t>(d)] * e[1][static_cast<std::size_t>(h)];
      for (Index w = 0; w < W; ++w) field(d, h, w) *= outer * e[2][static_cast<std::size_t>(w)];
    }
}

/// The voxel of the largest |C|, as a shift, and |C|^2 there.
std::pair<Vector, double> highest_voxel(ComplexField product, int threads) {
  fourier_inverse(product, threads);
  const auto [D, H, W] = product.extent;
  double best = -1;
  Vector at{};
  for (Index d = 0; d < D; ++d)
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w)
        if (const double height = std::norm(product(d, h, w)); height > best) {
          best = height;
          at = {static_cast<double>(d - D / 2), static_cast<double>(h - H / 2), static_cast<double>(w - W / 2)};
        }
  return {at, best};
}

}  // namespace

Alignment align(const Volume<Complex>& object, const Volume<Complex>& reference, const AlignOptions& options) {
  const int threads = options.threads;
  Extent padded;
  for (int axis = 0; axis < 3; ++axis) padded[axis] = object.extent[axis] + reference.extent[axis];
  const auto prepared = [&](Volume<Complex> volume) {
    if (options.remove_ramp) remove_ramp(volume, threads);
    return pad_or_crop(converted<Phasor>(volume), padded);
  };
  Alignment result;
  result.object = prepared(object);
  result.reference = prepared(reference);
  const double object_energy = energy(result.object), reference_energy = energy(result.reference);
  require(object_energy > 0 && reference_energy > 0 && std::isfinite(object_energy) && std::isfinite(reference_energy),
          "align: an object is zero everywhere or not finite");

  ComplexField& moved = result.object;  // its transform, from here to the inverse transform below
  fourier_forward(moved, threads);
  ComplexField fixed = result.reference;
  fourier_forward(fixed, threads);
  // The twin's transform is conj(F).
  const auto product = [&](bool twin) {
    ComplexField p(padded);
    for (std::size_t i = 0; i < p.data.size(); ++i)
      p.data[i] = fixed.data[i] * (twin ? moved.data[i] : std::conj(moved.data[i]));
    return p;
  };
  double best = -1;
  Phasor correlation = 0;
  for (const bool twin : {false, true}) {
    if (twin && !options.twin) continue;
    const ComplexField p = product(twin);
    auto [shift, height] = highest_voxel(p, threads);
    if (options.subvoxel) shift = refine(p, shift, threads);
    const Phasor c = correlate(p, shift, threads).value;
    if (std::norm(c) <= best) continue;
    best = std::norm(c);
    correlation = c;
    result.shift = shift;
    result.twin = twin;
  }
  // In transforms, sums are larger by the number of voxels (Parseval).
  const double voxels = static_cast<double>(moved.size());
  const double match = std::abs(correlation) / voxels / std::sqrt(object_energy * reference_energy);
  result.error = std::sqrt(std::max(0.0, 1 - match * match));
  result.phase = std::arg(correlation);
  result.scale = std::abs(correlation) / voxels / object_energy;
  if (result.twin)
    for (auto& v : moved.data) v = std::conj(v);
  multiply(moved, phasors(padded, result.shift, -1), std::polar(result.scale, result.phase));
  fourier_inverse(moved, threads);
  return result;
}

Volume<Complex> twin_of(const Volume<Complex>& object) {
  const auto [D, H, W] = object.extent;
  Volume<Complex> twin(object.extent);
  for (Index d = 1 - D % 2; d < D; ++d)
    for (Index h = 1 - H % 2; h < H; ++h)
      for (Index w = 1 - W % 2; w < W; ++w)
        twin(d, h, w) = std::conj(object(D / 2 * 2 - d, H / 2 * 2 - h, W / 2 * 2 - w));
  return twin;
}

ComplexField shifted(const ComplexField& object, const std::array<double, 3>& shift, int threads) {
  ComplexField field = object;
  fourier_forward(field, threads);
  multiply(field, phasors(field.extent, shift, -1), 1);
  fourier_inverse(field, threads);
  return field;
}

std::array<double, 3> remove_ramp(Volume<Complex>& object, int threads) {
  const auto [D, H, W] = object.extent;
  const Extent padded{2 * D, 2 * H, 2 * W};
  Vector total{};
  // The tails beyond the array's edge are missing on one side: each pass halves what that does, and more.
  for (int pass = 0; pass < 8; ++pass) {
    ComplexField field = pad_or_crop(converted<Phasor>(object), padded);
    fourier_forward(field, threads);
    double sum = 0;
    Vector moment{};
    for (Index d = 0; d < padded[0]; ++d)
      for (Index h = 0; h < padded[1]; ++h)
        for (Index w = 0; w < padded[2]; ++w) {
          const double intensity = std::norm(field(d, h, w));
          sum += intensity;
          moment[0] += intensity * static_cast<double>(d - padded[0] / 2);
          moment[1] += intensity * static_cast<double>(h - padded[1] / 2);
          moment[2] += intensity * static_cast<double>(w - padded[2] / 2);
        }
    if (!(sum > 0)) break;
    const Vector centre{moment[0] / sum, moment[1] / sum, moment[2] / sum};
    ComplexField ramped = converted<Phasor>(object);
    std::array<std::vector<Phasor>, 3> ramp;
    for (int axis = 0; axis < 3; ++axis) {
      total[axis] += centre[axis];
      for (Index i = 0; i < object.extent[axis]; ++i)
        ramp[axis].push_back(std::polar(1.0, -two_pi * centre[axis] * static_cast<double>(i - object.extent[axis] / 2) /
                                                 static_cast<double>(padded[axis])));
    }
    multiply(ramped, ramp, 1);
    object = converted<Complex>(ramped);
    if (std::hypot(centre[0], centre[1], centre[2]) < 1e-4) break;
  }
  return total;
}

}  // namespace fringe

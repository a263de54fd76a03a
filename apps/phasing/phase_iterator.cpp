#include "apps/phasing/phase_iterator.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numbers>
#include <utility>

#include "apps/phasing/projection_passes.h"
#include "apps/phasing/random.h"
#include "kernels/cpu/fftw_plan.h"
#include "kernels/cpu/parallel.h"

namespace fringe {
namespace {

constexpr Index padding = 8;            // voxels between planes
constexpr int line_search = 1;          // corrections of Newton's first step: a second one brings nothing (docs/iterative.md)

/// 1-D and 2-D pieces of the transform, in place. FFTW_ESTIMATE: at these sizes measured plans are no faster, and differ
/// from run to run.
struct LinePlans {
  cpu::FftwPlan planes[2], lines[2];  ///< backward, forward
};

const LinePlans& plans(const Extent& e) {
  const std::lock_guard lock(cpu::fftw_planner());
  static std::map<Extent, LinePlans> cache;
  const auto found = cache.find(e);
  if (found != cache.end()) return found->second;
  const Planes<Complex> memory(e);
  auto* data = reinterpret_cast<fftwf_complex*>(memory.data());
  const int d = static_cast<int>(e[0]), h = static_cast<int>(e[1]), w = static_cast<int>(e[2]);
  const int pitch = static_cast<int>(memory.pitch());
  LinePlans& p = cache[e];
  for (const int forward : {0, 1}) {
    const int sign = forward ? FFTW_FORWARD : FFTW_BACKWARD;
    p.planes[forward].reset(fftwf_plan_dft_2d(h, w, data, data, sign, FFTW_ESTIMATE));
    p.lines[forward].reset(
        fftwf_plan_many_dft(1, &d, w, data, nullptr, pitch, 1, data, nullptr, pitch, 1, sign, FFTW_ESTIMATE));
  }
  return p;
}

fftwf_complex* fftw(Complex* z) { return reinterpret_cast<fftwf_complex*>(z); }

Index centred_to_wrapped(Index i, Index n) { return (i + n - n / 2) % n; }

double sum_of(const std::vector<double>& parts) {
  double sum = 0;
  for (const double v : parts) sum += v;
  return sum;
}

/// sum over all voxels of Re a conj(b)
double inner(Stream& stream, const Planes<Complex>& a, const Planes<Complex>& b, Index voxels, Index planes) {
  std::vector<double> parts(static_cast<std::size_t>(planes));
  cpu::parallel_tasks(stream, planes, [&](Index d) {
    double sum = 0;
    const float* u = reinterpret_cast<const float*>(a.plane(d));
    const float* v = reinterpret_cast<const float*>(b.plane(d));
    for (Index begin = 0; begin < 2 * voxels; begin += 512) {
      float part[16] = {};
      const Index end = std::min(2 * voxels, begin + 512);
      for (Index i = begin; i < end; i += 16)
        for (Index k = 0; k < std::min<Index>(16, end - i); ++k) part[k] += u[i + k] * v[i + k];
      for (const float p : part) sum += static_cast<double>(p);
    }
    parts[static_cast<std::size_t>(d)] = sum;
  });
  return sum_of(parts);
}

}  // namespace

template <class T>
Planes<T>::Planes(const Extent& e) : pitch_(e[1] * e[2] + padding), size_(e[0] * pitch_) {
  const auto bytes = (static_cast<std::size_t>(size_) * sizeof(T) + 63) / 64 * 64;
  data_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
  if (!data_) throw std::bad_alloc();
  std::fill(data_.get(), data_.get() + size_, T(0));
}
template <class T>
void Planes<T>::copy_from(const Planes& other) {
  std::copy(other.data_.get(), other.data_.get() + size_, data_.get());
}
template class Planes<float>;
template class Planes<Complex>;

PhaseProblem::PhaseProblem(const Pattern& pattern, const Mask& free)
    : extent(pattern.intensity.extent), amplitude(extent) {
  const auto& [D, H, W] = extent;
  Index i = 0;
  for (Index d = 0; d < D; ++d)
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w, ++i) {
        const auto at = static_cast<std::size_t>(i);
        const bool used = pattern.measured(i) && (free.empty() || free.data[at] == 0);
        const float a = used ? std::sqrt(std::max(0.0F, pattern.intensity.data[at])) : -1.0F;
        amplitude.plane(centred_to_wrapped(d, D))[centred_to_wrapped(h, H) * W + centred_to_wrapped(w, W)] = a;
        if (used) power += static_cast<double>(a) * static_cast<double>(a);
      }
  require(power > 0, "iterate: every measured voxel is zero");
  plans(extent);  // made here, before there are threads
}

/// What conjugate gradients carry from step to step.
struct PhaseIterator::Likelihood {
  explicit Likelihood(const Extent& e) : field(e), gradient(e), direction(e), direction_field(e) {}
  Planes<Complex> field, gradient, direction, direction_field;  ///< F, g, d, and the transform of d
  double gradient_power = 0;                                    ///< |g|^2; 0: none yet
  float ahead = 0;  ///< x is so many d further than the field, which follows in the next step's first pass
};

PhaseIterator::PhaseIterator(const PhaseProblem& problem, int threads)
    : problem_(problem), stream_(threads), x_(problem.extent), work_(problem.extent), s_(problem.extent),
      in_plane_(static_cast<std::size_t>(problem.extent[0])) {}
PhaseIterator::~PhaseIterator() = default;
PhaseIterator::PhaseIterator(PhaseIterator&&) noexcept = default;

void PhaseIterator::transform_planes(Planes<Complex>& field, bool forward) {
  const auto& p = plans(problem_.extent);
  cpu::parallel_tasks(stream_, problem_.extent[0],
                      [&](Index d) { fftwf_execute_dft(p.planes[forward].get(), fftw(field.plane(d)), fftw(field.plane(d))); });
}

void PhaseIterator::transform_lines(Planes<Complex>& field, bool forward) {
  const auto& p = plans(problem_.extent);
  cpu::parallel_tasks(stream_, problem_.extent[1], [&](Index h) {
    auto* at = fftw(field.data() + h * problem_.extent[2]);
    fftwf_execute_dft(p.lines[forward].get(), at, at);
  });
}

void PhaseIterator::start_random(std::uint64_t seed) {
  const auto [D, H, W] = problem_.extent;
  const float factor = 1.0F / static_cast<float>(D * H * W);
  cpu::parallel_tasks(stream_, D, [&](Index d) {
    Random random(seed, Draw::starting_phase, static_cast<std::uint64_t>(d));
    const float* a = problem_.amplitude.plane(d);
    Complex* x = x_.plane(d);
    for (Index i = 0; i < H * W; ++i)
      x[i] = std::polar(std::max(0.0F, a[i]) * factor, static_cast<float>(random.uniform(-std::numbers::pi, std::numbers::pi)));
  });
  transform_lines(x_, false);
  transform_planes(x_, false);
  transformed_ = false;
  likelihood_.reset();
}

void PhaseIterator::start_from(const Volume<Complex>& object) {
  const auto& e = problem_.extent;
  for (int k = 0; k < 3; ++k)
    require(object.extent[k] <= e[k], "iterate: an object of {} x {} x {} voxels does not fit into a pattern of {} x {} x {}",
            object.extent[0], object.extent[1], object.extent[2], e[0], e[1], e[2]);
  std::fill(x_.data(), x_.data() + x_.size(), Complex(0));
  const auto padded = pad_or_crop(object, e);
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w)
        x_.plane(centred_to_wrapped(d, e[0]))[centred_to_wrapped(h, e[1]) * e[2] + centred_to_wrapped(w, e[2])] =
            padded(d, h, w);
  transformed_ = false;
  likelihood_.reset();
}

void PhaseIterator::set_support(const Mask& support) {
  const auto& e = problem_.extent;
  require(support.extent == Extent{e[0] / 2, e[1] / 2, e[2] / 2}, "iterate: the support must have half the pattern's extent");
  support_ = support;
  std::fill(s_.data(), s_.data() + s_.size(), 0.0F);
  std::fill(in_plane_.begin(), in_plane_.end(), 0);
  Index i = 0;
  for (Index d = 0; d < e[0] / 2; ++d)
    for (Index h = 0; h < e[1] / 2; ++h)
      for (Index w = 0; w < e[2] / 2; ++w, ++i) {
        if (support.data[static_cast<std::size_t>(i)] == 0) continue;
        const Index plane = centred_to_wrapped(d + e[0] / 2 - e[0] / 4, e[0]);
        s_.plane(plane)[centred_to_wrapped(h + e[1] / 2 - e[1] / 4, e[1]) * e[2] +
                        centred_to_wrapped(w + e[2] / 2 - e[2] / 4, e[2])] = 1;
        in_plane_[static_cast<std::size_t>(plane)] = 1;
      }
  likelihood_.reset();
}

void limit_amplitude(const PhaseProblem& problem, double share, Stream& stream, Planes<float>& limited) {
  const auto [D, H, W] = problem.extent;
  if (limited.empty()) limited = Planes<float>(problem.extent);
  const auto window = [&](Index i, Index n) {
    const double q = 2 * static_cast<double>(i < n - i ? i : n - i) / static_cast<double>(n);
    return std::exp(-q * q / (2 * share * share));
  };
  cpu::parallel_tasks(stream, D, [&](Index d) {
    for (Index h = 0; h < H; ++h)
      for (Index w = 0; w < W; ++w) {
        const float a = problem.amplitude.plane(d)[h * W + w];
        limited.plane(d)[h * W + w] = a < 0 ? a : a * static_cast<float>(window(d, D) * window(h, H) * window(w, W));
      }
  });
}

void PhaseIterator::limit_resolution(double share) {
  likelihood_.reset();
  if (share >= 1)
    limited_ = {};
  else
    limit_amplitude(problem_, share, stream_, limited_);
}

void PhaseIterator::begin_projection() {
  if (!transformed_) {
    work_.copy_from(x_);
    transform_planes(work_, true);
  }
  transformed_ = false;
}

std::vector<float> PhaseIterator::intensities(const Planes<Complex>& field) {
  const auto [D, H, W] = problem_.extent;
  std::vector<float> p(static_cast<std::size_t>(D * H * W));
  cpu::parallel_tasks(stream_, D, [&](Index d) { passes::intensity(field.plane(d), p.data() + d * H * W, H * W); });
  return p;
}

/// The second half of the forward transform, the amplitudes, and the first half of the inverse one, line by line.
double PhaseIterator::project_lines() {
  if (coherence_) return project_blurred();
  const auto& p = plans(problem_.extent);
  const auto [D, H, W] = problem_.extent;
  const float factor = 1.0F / static_cast<float>(D * H * W);
  const auto& a = amplitude();
  std::vector<double> parts(static_cast<std::size_t>(H));
  cpu::parallel_tasks(stream_, H, [&](Index h) {
    auto* at = fftw(work_.data() + h * W);
    fftwf_execute_dft(p.lines[1].get(), at, at);
    double sum = 0;
    for (Index d = 0; d < D; ++d) sum += passes::modulus(work_.plane(d) + h * W, a.plane(d) + h * W, factor, W);
    fftwf_execute_dft(p.lines[0].get(), at, at);
    parts[static_cast<std::size_t>(h)] = sum;
  });
  return sum_of(parts) / problem_.power;
}

double PhaseIterator::project_blurred() {
  const auto [D, H, W] = problem_.extent;
  const float factor = 1.0F / static_cast<float>(D * H * W);
  transform_lines(work_, true);
  auto blurred = intensities(work_);
  coherence_->blur(blurred.data(), blurred.data());
  const auto& a = amplitude();
  std::vector<double> parts(static_cast<std::size_t>(D));
  cpu::parallel_tasks(stream_, D, [&](Index d) {
    parts[static_cast<std::size_t>(d)] =
        passes::blurred_modulus(work_.plane(d), a.plane(d), blurred.data() + d * H * W, factor, H * W);
  });
  transform_lines(work_, false);
  return sum_of(parts) / problem_.power;
}

void PhaseIterator::update_coherence() {
  if (!coherence_) return;
  const auto [D, H, W] = problem_.extent;
  work_.copy_from(x_);
  transform_planes(work_, true);
  transform_lines(work_, true);
  transformed_ = false;
  std::vector<float> a(static_cast<std::size_t>(D * H * W));
  for (Index d = 0; d < D; ++d) std::copy(amplitude().plane(d), amplitude().plane(d) + H * W, a.begin() + d * H * W);
  const auto p = intensities(work_);
  coherence_->update(p.data(), a.data());
}

/// The last part of the inverse transform, the update of x, and the first part of the next forward transform.
template <class Update>
void PhaseIterator::update_planes(bool zero_outside, const Update& update) {
  const auto& p = plans(problem_.extent);
  const Index n = problem_.extent[1] * problem_.extent[2];
  cpu::parallel_tasks(stream_, problem_.extent[0], [&](Index d) {
    Complex* work = work_.plane(d);
    if (zero_outside && in_plane_[static_cast<std::size_t>(d)] == 0) {
      std::fill(x_.plane(d), x_.plane(d) + n, Complex(0));
      std::fill(work, work + n, Complex(0));
      return;
    }
    fftwf_execute_dft(p.planes[0].get(), fftw(work), fftw(work));
    update(d, x_.plane(d), work, n);
    fftwf_execute_dft(p.planes[1].get(), fftw(work), fftw(work));
  });
  transformed_ = true;
}

Complex PhaseIterator::mean_phase() const {
  std::complex<double> sum = 0;
  const Index n = problem_.extent[1] * problem_.extent[2];
  for (Index d = 0; d < problem_.extent[0]; ++d) {
    if (in_plane_[static_cast<std::size_t>(d)] == 0) continue;
    for (Index i = 0; i < n; ++i)
      if (s_.plane(d)[i] != 0) {
        const Complex v = x_.plane(d)[i];
        sum += std::complex<double>(v * std::abs(v));
      }
  }
  return std::abs(sum) > 0 ? Complex(sum / std::abs(sum)) : Complex(1);
}

double PhaseIterator::step(Algorithm algorithm, const PhaseStep& o) {
  if (algorithm == Algorithm::ml) return likelihood_step();
  likelihood_.reset();
  const auto beta = static_cast<float>(o.beta);
  if (algorithm == Algorithm::dm && o.beta != 1) return difference_map(o.beta);
  if (algorithm == Algorithm::cf) {
    const double mean = inner(stream_, x_, x_, problem_.extent[1] * problem_.extent[2], problem_.extent[0]) /
                        static_cast<double>(problem_.extent[0] * problem_.extent[1] * problem_.extent[2]);
    const auto delta = static_cast<float>(o.charge_threshold * std::sqrt(mean));
    begin_projection();
    const double chi2 = project_lines();
    update_planes(false, [&](Index, Complex* x, Complex* p, Index n) { passes::flip_charges(delta, x, p, n); });
    return chi2;
  }
  passes::LinearUpdate u;
  switch (algorithm) {
    case Algorithm::hio:
      u = {0, 1, 1, -beta};
      break;
    case Algorithm::raar:
      u = {0, 1, beta, 1 - 2 * beta};
      break;
    case Algorithm::dm:  // (4) at beta = 1 needs one projection only
      u = {0, 1, 1, -1};
      break;
    case Algorithm::sf:
      u = {0, 1, 0, -1};
      break;
    default:
      break;
  }
  const bool zero_outside = algorithm == Algorithm::er;
  passes::PhaseRange range;
  if (o.phase_range) {
    const auto [low, high] = *o.phase_range;
    const Complex mean = mean_phase();
    range = {mean.real(), mean.imag(), static_cast<float>(std::cos(low)), static_cast<float>(std::sin(low)),
             static_cast<float>(std::cos(high)), static_cast<float>(std::sin(high)), high - low >= std::numbers::pi};
  }
  begin_projection();
  const double chi2 = project_lines();
  update_planes(zero_outside, [&](Index d, Complex* x, Complex* p, Index n) {
    if (o.phase_range)
      passes::ranged_update(u, range, s_.plane(d), x, p, n);
    else
      passes::linear_update(u, s_.plane(d), x, p, n);
  });
  return chi2;
}

// With A = P_M x and B = P_M f, f = x in S and x / beta outside:
//   x' = (1 + beta) A - beta B in S,  x - beta B outside.
double PhaseIterator::difference_map(double beta) {
  const Index planes = problem_.extent[0];
  const auto b = static_cast<float>(beta);
  Planes<Complex> kept(problem_.extent);  // (1 + beta) A in S, x outside
  begin_projection();
  const double chi2 = project_lines();
  const auto& p = plans(problem_.extent);
  const Index n = problem_.extent[1] * problem_.extent[2];
  cpu::parallel_tasks(stream_, planes, [&](Index d) {
    const float* s = s_.plane(d);
    const Complex* x = x_.plane(d);
    Complex *work = work_.plane(d), *keep = kept.plane(d);
    fftwf_execute_dft(p.planes[0].get(), fftw(work), fftw(work));
    for (Index i = 0; i < n; ++i) {
      keep[i] = s[i] != 0 ? (1 + b) * work[i] : x[i];
      work[i] = s[i] != 0 ? x[i] : x[i] / b;
    }
    fftwf_execute_dft(p.planes[1].get(), fftw(work), fftw(work));
  });
  project_lines();
  update_planes(false, [&](Index d, Complex* x, Complex* second, Index count) {
    const Complex* keep = kept.plane(d);
    for (Index i = 0; i < count; ++i) x[i] = second[i] = keep[i] - b * second[i];
  });
  return chi2;
}

// One step of conjugate gradients, in passes that do while a slab or a plane is in cache all that can be done there: the way
// along the last direction, the gradient in Q and its lines; its planes, the support and both products; the new direction and
// its planes; its lines and the slope. Planes without a voxel of the support are zero in r and left out.
double PhaseIterator::likelihood_step() {
  require(!coherence_, "iterate: ML supposes coherent illumination; leave it out of the recipe, or --coherence");
  const auto [D, H, W] = problem_.extent;
  const Index n = H * W;
  const auto& p = plans(problem_.extent);
  const auto row = [&](Planes<Complex>& field, Index d, Index h) { return field.plane(d) + h * W; };
  const auto occupied = [&](Index d) { return in_plane_[static_cast<std::size_t>(d)] != 0; };
  transformed_ = false;
  if (!likelihood_) {
    likelihood_ = std::make_unique<Likelihood>(problem_.extent);
    cpu::parallel_tasks(stream_, D, [&](Index d) {
      const float* s = s_.plane(d);
      Complex* x = x_.plane(d);
      for (Index i = 0; i < n; ++i) x[i] *= s[i];
    });
    likelihood_->field.copy_from(x_);
    transform_planes(likelihood_->field, true);
    transform_lines(likelihood_->field, true);
  }
  Likelihood& l = *likelihood_;
  const auto& a = amplitude();
  const float factor = 1.0F / static_cast<float>(D * n);
  const auto most = static_cast<std::size_t>(std::max(D, H));
  std::vector<double> parts(most), more(most);
  const auto total = [](const std::vector<double>& v, Index count) {
    return sum_of({v.begin(), v.begin() + static_cast<std::ptrdiff_t>(count)});
  };

  const float behind = std::exchange(l.ahead, 0.0F);
  cpu::parallel_tasks(stream_, H, [&](Index h) {
    double sum = 0;
    for (Index d = 0; d < D; ++d) {
      if (behind != 0) passes::advance(row(l.field, d, h), row(l.direction_field, d, h), behind, W);
      sum += passes::likelihood_gradient(row(l.field, d, h), a.plane(d) + h * W, likelihood_background, factor,
                                         row(work_, d, h), W);
    }
    auto* at = fftw(work_.data() + h * W);
    fftwf_execute_dft(p.lines[0].get(), at, at);
    parts[static_cast<std::size_t>(h)] = sum;
  });
  const double chi2 = total(parts, H) / problem_.power;

  cpu::parallel_tasks(stream_, D, [&](Index d) {
    const auto at = static_cast<std::size_t>(d);
    parts[at] = more[at] = 0;
    if (!occupied(d)) return;
    Complex* g = work_.plane(d);
    fftwf_execute_dft(p.planes[0].get(), fftw(g), fftw(g));
    passes::masked_products(s_.plane(d), g, l.gradient.plane(d), &parts[at], &more[at], n);
  });
  const double power = total(parts, D);
  if (!(power > 0)) return chi2;
  double beta = l.gradient_power > 0 ? (power - total(more, D)) / l.gradient_power : 0;

  double t = 0;
  for (;;) {
    beta = std::max(0.0, beta);
    const auto b = static_cast<float>(beta);
    cpu::parallel_tasks(stream_, D, [&](Index d) {
      Complex *direction = l.direction.plane(d), *to = l.direction_field.plane(d);
      if (!occupied(d)) {
        std::fill(to, to + n, Complex(0));
        return;
      }
      const Complex* g = work_.plane(d);
      for (Index i = 0; i < n; ++i) to[i] = direction[i] = b * direction[i] - g[i];
      std::copy(g, g + n, l.gradient.plane(d));
      fftwf_execute_dft(p.planes[1].get(), fftw(to), fftw(to));
    });
    cpu::parallel_tasks(stream_, H, [&](Index h) {
      auto* at = fftw(l.direction_field.data() + h * W);
      fftwf_execute_dft(p.lines[1].get(), at, at);
      double slope = 0, curvature = 0;
      for (Index d = 0; d < D; ++d) {
        double s, c;
        passes::likelihood_slope(row(l.field, d, h), row(l.direction_field, d, h), a.plane(d) + h * W, likelihood_background, 0,
                                 &s, &c, W);
        slope += s;
        curvature += c;
      }
      parts[static_cast<std::size_t>(h)] = slope;
      more[static_cast<std::size_t>(h)] = curvature;
    });
    double slope = total(parts, H), curvature = total(more, H);
    // Newton's method towards the first minimum; the curvature may be negative far from it.
    if (slope < 0) {
      t = curvature > 0 ? -slope / curvature : 0.5;
      for (int k = 0; k < line_search; ++k) {
        cpu::parallel_tasks(stream_, D, [&](Index d) {
          const auto at = static_cast<std::size_t>(d);
          passes::likelihood_slope(l.field.plane(d), l.direction_field.plane(d), a.plane(d), likelihood_background,
                                   static_cast<float>(t), &parts[at], &more[at], n);
        });
        slope = total(parts, D), curvature = total(more, D);
        if (!(curvature > 0)) break;
        t = std::clamp(t - slope / curvature, 0.1 * t, 4 * t);
      }
      break;
    }
    if (beta == 0) break;  // at the minimum, to rounding
    beta = 0;              // not a way down: steepest descent
  }
  l.gradient_power = power;
  l.ahead = static_cast<float>(t);
  cpu::parallel_tasks(stream_, D, [&](Index d) {
    if (occupied(d)) passes::advance(x_.plane(d), l.direction.plane(d), l.ahead, n);
  });
  return chi2;
}

Volume<Complex> PhaseIterator::centre(Index margin) const {
  const auto& e = problem_.extent;
  Extent size;
  for (int k = 0; k < 3; ++k) size[k] = e[k] / 2 + 2 * margin;
  Volume<Complex> out(size);
  const auto from = [&](Index i, int k) {  // index in x_ of voxel i of the box
    return ((i - margin - e[k] / 4) % e[k] + e[k]) % e[k];
  };
  Index i = 0;
  for (Index d = 0; d < size[0]; ++d)
    for (Index h = 0; h < size[1]; ++h)
      for (Index w = 0; w < size[2]; ++w, ++i)
        out.data[static_cast<std::size_t>(i)] = x_.plane(from(d, 0))[from(h, 1) * e[2] + from(w, 2)];
  return out;
}

Volume<Complex> PhaseIterator::wrapped() const {
  Volume<Complex> out(problem_.extent);
  const Index n = problem_.extent[1] * problem_.extent[2];
  for (Index d = 0; d < problem_.extent[0]; ++d) std::copy(x_.plane(d), x_.plane(d) + n, out.data.data() + d * n);
  return out;
}

void PhaseIterator::set_wrapped(const Volume<Complex>& x) {
  require(x.extent == problem_.extent, "iterate: an iterate of another extent");
  const Index n = problem_.extent[1] * problem_.extent[2];
  for (Index d = 0; d < problem_.extent[0]; ++d) std::copy(x.data.data() + d * n, x.data.data() + (d + 1) * n, x_.plane(d));
  transformed_ = false;
  likelihood_.reset();
}

void PhaseIterator::roll(const std::array<Index, 3>& shift) {
  const auto& e = problem_.extent;
  if (shift == std::array<Index, 3>{}) return;
  const auto to = [&](Index i, int k) { return ((i + shift[k]) % e[k] + e[k]) % e[k]; };
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w)
        work_.plane(to(d, 0))[to(h, 1) * e[2] + to(w, 2)] = x_.plane(d)[h * e[2] + w];
  std::swap(x_, work_);
  transformed_ = false;
  likelihood_.reset();
}

namespace {

void append(std::vector<double>& state, const Planes<Complex>& field) {
  const auto* values = reinterpret_cast<const float*>(field.data());
  state.insert(state.end(), values, values + 2 * field.size());
}

const double* take(const double* from, Planes<Complex>& field) {
  auto* values = reinterpret_cast<float*>(field.data());
  for (Index i = 0; i < 2 * field.size(); ++i) values[i] = static_cast<float>(*from++);
  return from;
}

}  // namespace

std::vector<double> PhaseIterator::state() const {
  std::vector<double> state;
  append(state, x_);
  if (likelihood_) {
    auto& l = *likelihood_;
    const float behind = std::exchange(l.ahead, 0.0F);
    if (behind != 0)
      for (Index d = 0; d < problem_.extent[0]; ++d)
        passes::advance(l.field.plane(d), l.direction_field.plane(d), behind, problem_.extent[1] * problem_.extent[2]);
    append(state, likelihood_->field);
    append(state, likelihood_->gradient);
    append(state, likelihood_->direction);
    state.push_back(likelihood_->gradient_power);
  }
  return state;
}

void PhaseIterator::restore(const std::vector<double>& state) {
  const auto one = static_cast<std::size_t>(2 * x_.size());
  require(state.size() == one || state.size() == 4 * one + 1, "iterate: the state of another extent");
  const double* from = take(state.data(), x_);
  likelihood_.reset();
  if (state.size() > one) {
    likelihood_ = std::make_unique<Likelihood>(problem_.extent);
    from = take(from, likelihood_->field);
    from = take(from, likelihood_->gradient);
    from = take(from, likelihood_->direction);
    likelihood_->gradient_power = *from;
  }
  transformed_ = false;
}

}  // namespace fringe

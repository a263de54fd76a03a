#include "apps/phasing/coherence.h"

#include <algorithm>
#include <cmath>

#include "apps/phasing/golden_section.h"
#include "kernels/cpu/fftw_plan.h"
#include "kernels/partial_coherence.h"

namespace fringe {

/// Real transforms of the pattern's extent, and arrays to work in.
struct Coherence::Plans {
  Index voxels, half;
  float* real;
  fftwf_complex *kernel, *field;  ///< transforms of the kernel and of the intensity
  cpu::FftwPlan forward, backward;  ///< real -> field, field -> real

  explicit Plans(const Extent& e)
      : voxels(e[0] * e[1] * e[2]), half(e[0] * e[1] * (e[2] / 2 + 1)),
        real(fftwf_alloc_real(static_cast<std::size_t>(voxels))),
        kernel(fftwf_alloc_complex(static_cast<std::size_t>(half))),
        field(fftwf_alloc_complex(static_cast<std::size_t>(half))) {
    const std::lock_guard lock(cpu::fftw_planner());
    const int d = static_cast<int>(e[0]), h = static_cast<int>(e[1]), w = static_cast<int>(e[2]);
    forward.reset(fftwf_plan_dft_r2c_3d(d, h, w, real, field, FFTW_ESTIMATE));
    backward.reset(fftwf_plan_dft_c2r_3d(d, h, w, field, real, FFTW_ESTIMATE));
  }
  ~Plans() {
    fftwf_free(real);
    fftwf_free(kernel);
    fftwf_free(field);
  }
  Plans(const Plans&) = delete;

  /// field <- field kernel (or its conjugate) / voxels
  void multiply(bool conjugate) {
    const float factor = 1.0F / static_cast<float>(voxels), sign = conjugate ? -factor : factor;
    for (Index i = 0; i < half; ++i) {
      const float kr = factor * kernel[i][0], ki = sign * kernel[i][1], fr = field[i][0], fi = field[i][1];
      field[i][0] = fr * kr - fi * ki;
      field[i][1] = fr * ki + fi * kr;
    }
  }
};

Coherence::Coherence(const Extent& extent, CoherenceModel model, double width)
    : extent_(extent), model_(model), plans_(std::make_unique<Plans>(extent)) {
  for (int k = 0; k < 3; ++k) reach_[k] = std::min<Index>(6, extent[k] / 4);
  if (model == CoherenceModel::lucy) {
    kernel_ = gaussian_box(width);
    transform_kernel();
  } else {
    set_gaussian({width, width, width});
  }
}
Coherence::Coherence(const Extent& extent, const std::array<double, 3>& widths, bool known)
    : extent_(extent), model_(CoherenceModel::gaussian), known_(known), plans_(std::make_unique<Plans>(extent)) {
  set_gaussian(widths);
}
Coherence::~Coherence() = default;
Coherence::Coherence(Coherence&&) noexcept = default;

namespace {

/// Calls body(i, d, h, w) for the voxels of the box, counted from its middle.
template <class Body>
void for_each_in_box(const std::array<Index, 3>& reach, const Body& body) {
  std::size_t i = 0;
  for (Index d = -reach[0]; d <= reach[0]; ++d)
    for (Index h = -reach[1]; h <= reach[1]; ++h)
      for (Index w = -reach[2]; w <= reach[2]; ++w) body(i++, d, h, w);
}

Index wrapped(Index i, Index n) { return i < 0 ? i + n : i; }

}  // namespace

/// The degree of coherence is all that is needed: the kernel's own transform.
void Coherence::set_gaussian(const std::array<double, 3>& widths) {
  widths_ = widths;
  std::vector<float> g[3];
  for (int k = 0; k < 3; ++k)
    for (Index u = 0; u < extent_[k]; ++u)
      g[k].push_back(static_cast<float>(
          partial_coherence::degree_of_coherence(widths[static_cast<std::size_t>(k)], std::min(u, extent_[k] - u), extent_[k])));
  auto* at = plans_->kernel;
  for (const float along_d : g[0])
    for (const float along_h : g[1])
      for (Index w = 0; w <= extent_[2] / 2; ++w, ++at) {
        (*at)[0] = along_d * along_h * g[2][static_cast<std::size_t>(w)];
        (*at)[1] = 0;
      }
}

/// A Gaussian sampled in the box, for Richardson and Lucy to begin with: nowhere zero, and positive.
std::vector<float> Coherence::gaussian_box(double width) const {
  std::vector<float> box(static_cast<std::size_t>((2 * reach_[0] + 1) * (2 * reach_[1] + 1) * (2 * reach_[2] + 1)));
  double sum = 0;
  const double scale = 1 / (2 * std::max(width, 1e-3) * std::max(width, 1e-3));
  for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
    box[i] = static_cast<float>(std::exp(-static_cast<double>(d * d + h * h + w * w) * scale));
    sum += static_cast<double>(box[i]);
  });
  for (auto& k : box) k = static_cast<float>(static_cast<double>(k) / sum);
  return box;
}

void Coherence::transform_kernel() {
  auto& p = *plans_;
  std::fill(p.real, p.real + p.voxels, 0.0F);
  for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
    p.real[(wrapped(d, extent_[0]) * extent_[1] + wrapped(h, extent_[1])) * extent_[2] + wrapped(w, extent_[2])] = kernel_[i];
  });
  fftwf_execute_dft_r2c(p.forward.get(), p.real, p.kernel);
}

void Coherence::blur(const float* intensity, float* out) {
  auto& p = *plans_;
  std::copy(intensity, intensity + p.voxels, p.real);
  fftwf_execute(p.forward.get());
  p.multiply(false);
  fftwf_execute(p.backward.get());
  for (Index i = 0; i < p.voxels; ++i) out[i] = std::max(0.0F, p.real[i]);
}

double Coherence::width() const {
  if (model_ != CoherenceModel::lucy)
    return std::sqrt((widths_[0] * widths_[0] + widths_[1] * widths_[1] + widths_[2] * widths_[2]) / 3);
  double second = 0;
  for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
    second += static_cast<double>(kernel_[i]) * static_cast<double>(d * d + h * h + w * w);
  });
  return std::sqrt(second / 3);
}

void Coherence::update(const float* intensity, const float* amplitude) {
  if (known_) return;
  auto& p = *plans_;
  const auto count = static_cast<std::size_t>(p.voxels);
  // The transform of the intensity, kept while the kernel changes.
  std::vector<Complex> transform(static_cast<std::size_t>(p.half));
  auto* const field = reinterpret_cast<Complex*>(p.field);
  std::copy(intensity, intensity + p.voxels, p.real);
  fftwf_execute(p.forward.get());
  std::copy(field, field + p.half, transform.begin());
  const auto blur_again = [&] {  // P, in p.real
    std::copy(transform.begin(), transform.end(), field);
    p.multiply(false);
    fftwf_execute(p.backward.get());
  };
  if (model_ == CoherenceModel::gaussian) {
    auto widths = widths_;
    const auto before = widths_;
    for (int sweep = 0; sweep < 2; ++sweep)
      for (std::size_t k = 0; k < 3; ++k) {
        const auto misfit = [&](double width) {
          widths[k] = width;
          set_gaussian(widths);
          blur_again();
          double sum = 0;
          for (std::size_t i = 0; i < count; ++i)
            if (amplitude[i] >= 0) {
              const float difference = std::sqrt(std::max(0.0F, p.real[i])) - amplitude[i];
              sum += static_cast<double>(difference * difference);
            }
          return sum;
        };
        widths[k] = golden_section(std::max(0.0, before[k] - stride), std::min(widest, before[k] + stride), 0.015, misfit);
      }
    set_gaussian(widths);
    return;
  }
  if (model_ != CoherenceModel::lucy) return;
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) total += static_cast<double>(intensity[i]);
  if (!(total > 0)) return;
  for (int iteration = 0; iteration < 10; ++iteration) {
    blur_again();
    for (std::size_t i = 0; i < count; ++i)
      p.real[i] = amplitude[i] >= 0 ? amplitude[i] * amplitude[i] / std::max(p.real[i], 1e-6F) : 1.0F;
    fftwf_execute(p.forward.get());
    const float factor = static_cast<float>(1 / (static_cast<double>(p.voxels) * total));
    for (std::size_t i = 0; i < transform.size(); ++i) field[i] *= factor * std::conj(transform[i]);
    fftwf_execute(p.backward.get());
    double sum = 0;
    for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
      kernel_[i] *= std::max(0.0F, p.real[(wrapped(d, extent_[0]) * extent_[1] + wrapped(h, extent_[1])) * extent_[2] +
                                          wrapped(w, extent_[2])]);
      sum += static_cast<double>(kernel_[i]);
    });
    for (auto& k : kernel_) k = static_cast<float>(static_cast<double>(k) / sum);
    transform_kernel();
  }
}

std::vector<double> Coherence::state() const {
  if (model_ != CoherenceModel::lucy) return {widths_.begin(), widths_.end()};
  return {kernel_.begin(), kernel_.end()};
}

void Coherence::restore(const std::vector<double>& state) {
  const std::size_t expected = model_ != CoherenceModel::lucy ? widths_.size() : kernel_.size();
  require(state.size() == expected, "coherence: a state of {} numbers does not fit one of {}", state.size(), expected);
  if (model_ != CoherenceModel::lucy) return set_gaussian({state[0], state[1], state[2]});
  for (std::size_t i = 0; i < state.size(); ++i) kernel_[i] = static_cast<float>(state[i]);
  transform_kernel();
}

void blur(Volume<float>& intensity, const std::array<double, 3>& widths) {
  Coherence(intensity.extent, widths).blur(intensity.data.data(), intensity.data.data());
}

}  // namespace fringe

#include "apps/phasing/coherence.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/fftw_plan.h"

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
  set_gaussian(width);
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

void Coherence::set_gaussian(double width) {
  kernel_.assign(static_cast<std::size_t>((2 * reach_[0] + 1) * (2 * reach_[1] + 1) * (2 * reach_[2] + 1)), 0);
  double sum = 0;
  const double scale = 1 / (2 * std::max(width, 1e-3) * std::max(width, 1e-3));
  for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
    kernel_[i] = static_cast<float>(std::exp(-static_cast<double>(d * d + h * h + w * w) * scale));
    sum += static_cast<double>(kernel_[i]);
  });
  for (auto& k : kernel_) k = static_cast<float>(static_cast<double>(k) / sum);
  transform_kernel();
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
  double second = 0;
  for_each_in_box(reach_, [&](std::size_t i, Index d, Index h, Index w) {
    second += static_cast<double>(kernel_[i]) * static_cast<double>(d * d + h * h + w * w);
  });
  return std::sqrt(second / 3);
}

void Coherence::update(const float* intensity, const float* amplitude) {
  auto& p = *plans_;
  const auto count = static_cast<std::size_t>(p.voxels);
  std::vector<float> ratio(count);
  if (model_ == CoherenceModel::gaussian) {
    const auto misfit = [&](double width) {
      set_gaussian(width);
      blur(intensity, ratio.data());
      double sum = 0;
      for (std::size_t i = 0; i < count; ++i)
        if (amplitude[i] >= 0) {
          const double difference = std::sqrt(static_cast<double>(ratio[i])) - static_cast<double>(amplitude[i]);
          sum += difference * difference;
        }
      return sum;
    };
    // The minimum lies between a delta and a third of the box.
    constexpr double golden = 0.6180339887498949;
    double low = 0, high = static_cast<double>(*std::min_element(reach_.begin(), reach_.end())) / 2;
    double left = high - golden * (high - low), right = low + golden * (high - low);
    double at_left = misfit(left), at_right = misfit(right);
    while (high - low > 0.01) {
      if (at_left < at_right) {
        high = right, right = left, at_right = at_left;
        at_left = misfit(left = high - golden * (high - low));
      } else {
        low = left, left = right, at_left = at_right;
        at_right = misfit(right = low + golden * (high - low));
      }
    }
    set_gaussian((low + high) / 2);
    return;
  }
  if (model_ != CoherenceModel::lucy) return;
  double total = 0;
  for (std::size_t i = 0; i < count; ++i) total += static_cast<double>(intensity[i]);
  if (!(total > 0)) return;
  // The transform of the intensity, kept over the iterations.
  std::vector<std::complex<float>> transform(static_cast<std::size_t>(p.half));
  std::copy(intensity, intensity + p.voxels, p.real);
  fftwf_execute(p.forward.get());
  std::copy(reinterpret_cast<Complex*>(p.field), reinterpret_cast<Complex*>(p.field) + p.half, transform.begin());
  for (int iteration = 0; iteration < 10; ++iteration) {
    std::copy(transform.begin(), transform.end(), reinterpret_cast<Complex*>(p.field));
    p.multiply(false);
    fftwf_execute(p.backward.get());
    for (std::size_t i = 0; i < count; ++i)
      p.real[i] = amplitude[i] >= 0 ? amplitude[i] * amplitude[i] / std::max(p.real[i], 1e-6F) : 1.0F;
    fftwf_execute(p.forward.get());
    auto* field = reinterpret_cast<Complex*>(p.field);
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

std::vector<double> Coherence::state() const { return {kernel_.begin(), kernel_.end()}; }

void Coherence::restore(const std::vector<double>& state) {
  require(state.size() == kernel_.size(), "coherence: a kernel of {} voxels does not fit a box of {}", state.size(),
          kernel_.size());
  for (std::size_t i = 0; i < state.size(); ++i) kernel_[i] = static_cast<float>(state[i]);
  transform_kernel();
}

}  // namespace fringe

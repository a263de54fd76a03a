// The CUDA kernels behind the signatures of host kernels: every array of a call is copied to device memory, the kernel runs,
// and what it may have written is copied back. So the tests of the operations need not know where arrays live.
#include <cstring>
#include <map>
#include <memory>

#include "tests/support/backends.h"

namespace fringe::test {
namespace {

Stream& device_stream() {
  static Stream stream(1, cuda::device(0));
  return stream;
}

/// The arrays of one call. The same host array given twice (work in place) is one array on the device, too.
class Staging {
 public:
  template <class T>
  View<T> operator()(View<T> host) {
    if (host.data == nullptr) return host;
    Copy& copy = stage(const_cast<std::remove_const_t<T>*>(host.data), static_cast<std::size_t>(host.size()) * sizeof(T));
    copy.written = copy.written || !std::is_const_v<T>;
    return {reinterpret_cast<T*>(copy.memory.get()), host.shape};
  }
  std::span<const AccumulateSlot<float>> operator()(std::span<const AccumulateSlot<float>> slots) {
    for (const auto& s : slots) sums_.push_back({(*this)(s.x), (*this)(s.y)});
    return sums_;
  }
  std::span<const AdamSlot<float>> operator()(std::span<const AdamSlot<float>> slots) {
    for (const auto& s : slots) adam_.push_back({(*this)(s.value), (*this)(s.gradient), (*this)(s.m), (*this)(s.v)});
    return adam_;
  }
  std::span<const SgdSlot<float>> operator()(std::span<const SgdSlot<float>> slots) {
    for (const auto& s : slots) sgd_.push_back({(*this)(s.value), (*this)(s.gradient), (*this)(s.m)});
    return sgd_;
  }
  std::span<const ChoiceSlot<float>> operator()(std::span<const ChoiceSlot<float>> slots) {
    for (const auto& s : slots) choices_.push_back({(*this)(s.a), (*this)(s.b), (*this)(s.y)});
    return choices_;
  }
  std::span<const ConstView<float>> operator()(std::span<const ConstView<float>> views) {
    for (const auto& v : views) views_.push_back((*this)(v));
    return views_;
  }
  template <class V>
  SeparableWeights<V> operator()(const SeparableWeights<V>& w) {
    return {(*this)(w.wd), (*this)(w.bd), (*this)(w.wh), (*this)(w.bh), (*this)(w.ww), (*this)(w.bw)};
  }
  CoherenceKernel<ConstView<float>> operator()(const CoherenceKernel<ConstView<float>>& k) {
    return {(*this)(k.d), (*this)(k.h), (*this)(k.w)};
  }
  Reading<float> operator()(const Reading<float>& r) { return {(*this)(r.x), (*this)(r.affine), r.upsampled}; }
  PendingGradient<float> operator()(const PendingGradient<float>& g) {
    return {(*this)(g.dz), (*this)(g.which), (*this)(g.y), (*this)(g.fold), g.slope};
  }
  template <class Value>
  const Value& operator()(const Value& value) {
    return value;
  }

  void copy_back() {
    const Stream& s = device_stream();
    s.wait();
    for (auto& [host, copy] : copies_)
      if (copy.written) s.device().download(s.queue(), host, copy.memory.get(), copy.bytes);
  }

 private:
  struct Copy {
    std::unique_ptr<std::byte, void (*)(std::byte*) noexcept> memory;
    std::size_t bytes;
    bool written;
  };
  Copy& stage(void* host, std::size_t bytes) {
    const Stream& s = device_stream();
    const auto found = copies_.find(host);
    if (found != copies_.end()) return found->second;
    Copy copy{{s.device().allocate(bytes), s.device().release}, bytes, false};
    s.device().upload(s.queue(), copy.memory.get(), host, bytes);
    return copies_.emplace(host, std::move(copy)).first->second;
  }
  std::map<void*, Copy> copies_;
  std::vector<AccumulateSlot<float>> sums_;
  std::vector<AdamSlot<float>> adam_;
  std::vector<SgdSlot<float>> sgd_;
  std::vector<ChoiceSlot<float>> choices_;
  std::vector<ConstView<float>> views_;
};

template <auto Slot, class F>
struct Staged;
template <auto Slot, class... Arguments>
struct Staged<Slot, void(Stream&, Arguments...)> {
  static void call(Stream& stream, Arguments... arguments) {
    Staging staging;
    device_stream().set_precision(stream.precision());
    (cuda::table().*Slot)(device_stream(), staging(arguments)...);
    staging.copy_back();
  }
};

template <auto Slot, class F>
F* staged_as(F* KernelTable<float>::*) {
  return cuda::table().*Slot != nullptr ? &Staged<Slot, F>::call : nullptr;
}
template <auto Slot>
auto staged() {
  return staged_as<Slot>(Slot);
}

const KernelTable<float>& staged_table() {
  using K = KernelTable<float>;
  static const K table{
      .backend = "cuda",
      .accumulate = staged<&K::accumulate>(),
      .adam_step = staged<&K::adam_step>(),
      .add = staged<&K::add>(),
      .autocorrelation_input = staged<&K::autocorrelation_input>(),
      .batch_norm_forward = staged<&K::batch_norm_forward>(),
      .batch_norm_forward_eval = staged<&K::batch_norm_forward_eval>(),
      .batch_norm_backward = staged<&K::batch_norm_backward>(),
      .batch_norm_fold_forward = staged<&K::batch_norm_fold_forward>(),
      .batch_norm_fold_forward_eval = staged<&K::batch_norm_fold_forward_eval>(),
      .batch_norm_fold_backward = staged<&K::batch_norm_fold_backward>(),
      .blurred_amplitude = staged<&K::blurred_amplitude>(),
      .charge_flip = staged<&K::charge_flip>(),
      .choose_smaller = staged<&K::choose_smaller>(),
      .complex_intensity = staged<&K::complex_intensity>(),
      .conv3d_forward = staged<&K::conv3d_forward>(),
      .conv3d_backward_data = staged<&K::conv3d_backward_data>(),
      .conv3d_backward_weights = staged<&K::conv3d_backward_weights>(),
      .crystal_density = staged<&K::crystal_density>(),
      .crystal_object = staged<&K::crystal_object>(),
      .crystal_targets = staged<&K::crystal_targets>(),
      .density_sums = staged<&K::density_sums>(),
      .fft3d_forward = staged<&K::fft3d_forward>(),
      .fft3d_backward = staged<&K::fft3d_backward>(),
      .fused_conv3d_forward = staged<&K::fused_conv3d_forward>(),
      .fused_conv3d_backward_data = staged<&K::fused_conv3d_backward_data>(),
      .fused_conv3d_backward_weights = staged<&K::fused_conv3d_backward_weights>(),
      .fused_diffraction_forward = staged<&K::fused_diffraction_forward>(),
      .fused_diffraction_backward = staged<&K::fused_diffraction_backward>(),
      .fused_max_pool_forward = staged<&K::fused_max_pool_forward>(),
      .fused_separable_conv3d_forward = staged<&K::fused_separable_conv3d_forward>(),
      .fused_separable_conv3d_backward = staged<&K::fused_separable_conv3d_backward>(),
      .gaussian_filter = staged<&K::gaussian_filter>(),
      .intensity_forward = staged<&K::intensity_forward>(),
      .intensity_backward = staged<&K::intensity_backward>(),
      .leaky_relu_forward = staged<&K::leaky_relu_forward>(),
      .leaky_relu_backward = staged<&K::leaky_relu_backward>(),
      .likelihood_gradient = staged<&K::likelihood_gradient>(),
      .likelihood_products = staged<&K::likelihood_products>(),
      .likelihood_direction = staged<&K::likelihood_direction>(),
      .likelihood_search = staged<&K::likelihood_search>(),
      .likelihood_advance = staged<&K::likelihood_advance>(),
      .log_forward = staged<&K::log_forward>(),
      .log_backward = staged<&K::log_backward>(),
      .max_pool_forward = staged<&K::max_pool_forward>(),
      .max_pool_backward = staged<&K::max_pool_backward>(),
      .modulus_forward = staged<&K::modulus_forward>(),
      .modulus_backward = staged<&K::modulus_backward>(),
      .modulus_projection = staged<&K::modulus_projection>(),
      .pad_centred_forward = staged<&K::pad_centred_forward>(),
      .pad_centred_backward = staged<&K::pad_centred_backward>(),
      .partial_coherence_forward = staged<&K::partial_coherence_forward>(),
      .partial_coherence_backward = staged<&K::partial_coherence_backward>(),
      .pattern_amplitude = staged<&K::pattern_amplitude>(),
      .pearson_loss_forward = staged<&K::pearson_loss_forward>(),
      .pearson_loss_backward = staged<&K::pearson_loss_backward>(),
      .phase_noise = staged<&K::phase_noise>(),
      .philox_uniform = staged<&K::philox_uniform>(),
      .philox_normal = staged<&K::philox_normal>(),
      .photon_noise = staged<&K::photon_noise>(),
      .poisson_loss_forward = staged<&K::poisson_loss_forward>(),
      .poisson_loss_backward = staged<&K::poisson_loss_backward>(),
      .polar_forward = staged<&K::polar_forward>(),
      .polar_backward = staged<&K::polar_backward>(),
      .relative_amplitude = staged<&K::relative_amplitude>(),
      .relative_l2_forward = staged<&K::relative_l2_forward>(),
      .relative_l2_backward = staged<&K::relative_l2_backward>(),
      .roll = staged<&K::roll>(),
      .scaled_tanh_forward = staged<&K::scaled_tanh_forward>(),
      .scaled_tanh_backward = staged<&K::scaled_tanh_backward>(),
      .separable_conv3d_forward = staged<&K::separable_conv3d_forward>(),
      .separable_conv3d_backward = staged<&K::separable_conv3d_backward>(),
      .sgd_step = staged<&K::sgd_step>(),
      .shrink_support = staged<&K::shrink_support>(),
      .support_update = staged<&K::support_update>(),
      .uniform_density_forward = staged<&K::uniform_density_forward>(),
      .uniform_density_backward = staged<&K::uniform_density_backward>(),
      .upsample_nearest_forward = staged<&K::upsample_nearest_forward>(),
      .upsample_nearest_backward = staged<&K::upsample_nearest_backward>(),
      .upsample_trilinear_forward = staged<&K::upsample_trilinear_forward>(),
      .upsample_trilinear_backward = staged<&K::upsample_trilinear_backward>(),
      .weighted_sum_forward = staged<&K::weighted_sum_forward>(),
      .weighted_sum_backward = staged<&K::weighted_sum_backward>(),
      .wrapped_fft3d_forward = staged<&K::wrapped_fft3d_forward>(),
      .wrapped_fft3d_backward = staged<&K::wrapped_fft3d_backward>(),
  };
  return table;
}

}  // namespace

std::vector<const KernelTable<float>*> backends() { return {&staged_table()}; }

}  // namespace fringe::test

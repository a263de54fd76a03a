#include "apps/phasing/device_batches.h"

#include "apps/phasing/device_simulation.h"

namespace fringe {
namespace {

using K = KernelTable<float>;

std::size_t bytes(const Tensor<float>& t) { return t ? static_cast<std::size_t>(t.size()) * sizeof(float) : 0; }

}  // namespace

DeviceBatches::DeviceBatches(Context<float>& context, const Backend& backend, Dataset& data, FitInput input, Index count,
                             bool twin)
    : context_(context), feeder_(backend, context.stream.threads()), data_(data), input_(input), count_(count),
      staging_{{{{nullptr, context.device().release_staging}, {nullptr, context.device().destroy_mark}},
                {{nullptr, context.device().release_staging}, {nullptr, context.device().destroy_mark}}}},
      arrived_(make_mark(context.device())), taken_(make_mark(context.device())) {
  const Device& device = context.device();
  const Index N = data.size(), n = N / 2;
  const Shape half{count, n, n, n, 1}, full{count, N, N, N, 1};
  const bool noise = !data.exposures(0, 1).empty();
  incoming_ = Tensor<float>(feeder_, half.with_channels(2));
  densities_ = Tensor<float>(context, incoming_.shape());
  if (data.stores_patterns() || noise) incoming_intensities_ = Tensor<float>(feeder_, full);
  intensities_ = Tensor<float>(context, full);
  if (!data.stored() || noise) field_ = Tensor<float>(feeder_, full.with_channels(2));
  if (data.stored())
    for (Staging& s : staging_) {
      s.memory.reset(device.allocate_staging(bytes(incoming_) + (data.stores_patterns() ? bytes(incoming_intensities_) : 0)));
      s.read = make_mark(device);
    }
  auto& t = batch_.targets;
  for (auto* image : {&t.given, &t.twin}) {
    if (image == &t.twin && !twin) break;
    image->amplitude = Tensor<float>(context, half);
    image->phase = Tensor<float>(context, half);
    image->field = Tensor<float>(context, half.with_channels(2));
  }
  t.magnitude = Tensor<float>(context, full);
  batch_.input = Tensor<float>(context, full.with_channels(input_channels(input)));
}

DeviceBatches::~DeviceBatches() {
  for (const auto* context : {&feeder_, &context_}) try {
      context->stream.wait();  // the device may be reading what goes away now
    } catch (const Error&) {  // who waits next will hear of it
    }
}

void DeviceBatches::upload(Index first) {
  const Device& device = context_.device();
  void* const queue = feeder_.stream.queue();
  Staging& s = staging_[turn_++ % staging_.size()];
  device.pass_mark(s.read.get());
  auto* const densities = reinterpret_cast<float*>(s.memory.get());
  float* const intensities = densities + incoming_.size();
  data_.stage(first, count_, feeder_.stream.threads(), densities, intensities);
  device.await_mark(queue, taken_.get());
  device.upload_staged(queue, incoming_.view().data, densities, bytes(incoming_));
  if (data_.stores_patterns())
    device.upload_staged(queue, incoming_intensities_.view().data, intensities, bytes(incoming_intensities_));
  device.set_mark(queue, s.read.get());
}

void DeviceBatches::next(Index first) {
  const Device& device = context_.device();
  void *const feeding = feeder_.stream.queue(), *const working = context_.stream.queue();
  if (data_.stored()) {
    upload(first);
  } else {
    device.await_mark(feeding, taken_.get());
    const auto series = data_.series(first, count_);
    draw_objects(feeder_, data_.seed(), series.indices, series.specimens, field_, incoming_);
  }
  if (const auto exposures = data_.exposures(first, count_); !exposures.empty())
    expose_objects(feeder_, data_.seed(), exposures, incoming_, field_, incoming_intensities_);
  device.set_mark(feeding, arrived_.get());
  device.await_mark(working, arrived_.get());
  device.copy(working, densities_.view().data, incoming_.view().data, bytes(incoming_));
  if (brings_intensities())
    device.copy(working, intensities_.view().data, incoming_intensities_.view().data, bytes(incoming_intensities_));
  device.set_mark(working, taken_.get());
}

const Batch& DeviceBatches::make() {
  auto& t = batch_.targets;
  for (const auto* image : {&t.given, &t.twin})
    if (image->amplitude)
      context_.launch(&K::crystal_targets, "crystal_targets", image == &t.twin, densities_.read(), image->amplitude.view(),
                      image->phase.view(), image->field.view());
  if (!brings_intensities()) {
    const Tensor<float> field(context_, intensities_.shape().with_channels(2));
    context_.launch(&K::pad_centred_forward, "pad_centred_forward", densities_.read(), field.view());
    context_.launch(&K::fft3d_forward, "fft3d_forward", field.read(), field.view());
    context_.launch(&K::intensity_forward, "intensity_forward", field.read(), intensities_.view());
  }
  context_.launch(&K::pattern_amplitude, "pattern_amplitude", intensities_.read(), t.magnitude.view());
  make_input();
  return batch_;
}

void DeviceBatches::make_input() {
  if (input_ != FitInput::autocorrelation) {
    context_.launch(&K::relative_amplitude, "relative_amplitude", input_ == FitInput::logarithm,
                    batch_.targets.magnitude.read(), batch_.input.view());
    return;
  }
  const Tensor<float> z(context_, batch_.input.shape());
  context_.launch(&K::complex_intensity, "complex_intensity", intensities_.read(), z.view());
  context_.launch(&K::fft3d_backward, "fft3d_backward", z.read(), z.view());
  context_.launch(&K::autocorrelation_input, "autocorrelation_input", z.read(), batch_.input.view());
}

}  // namespace fringe

#include "apps/phasing/device_iterator.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace fringe {
namespace {

constexpr Index most_wraps = 64;  // unread ones

Shape frame_of(const Extent& e, Index n, Index channels) { return {n, e[0], e[1], e[2], channels}; }
Shape box_of(const Extent& e, Index n) { return {n, e[0] / 2, e[1] / 2, e[2] / 2, 1}; }

/// Row i of an array of rows, as one number or a few for each start.
View<float> row(const Tensor<float>& rows, Index i, Index starts, Index numbers = 1) {
  return {rows.view().data + i * starts * numbers, {starts, 1, 1, 1, numbers}};
}

/// The steps (1) to (3), (5) and, at beta = 1, (4) of phase_iterator.h.
SupportUpdateParams update_of(Algorithm algorithm, const PhaseStep& o) {
  SupportUpdateParams u;
  switch (algorithm) {
    case Algorithm::hio:
      u.x_out = 1, u.p_out = -o.beta;
      break;
    case Algorithm::raar:
      u.x_out = o.beta, u.p_out = 1 - 2 * o.beta;
      break;
    case Algorithm::dm:
      u.x_out = 1, u.p_out = -1;
      break;
    case Algorithm::sf:
      u.p_out = -1;
      break;
    default:
      break;
  }
  if (o.phase_range) {
    u.limits_phase = true;
    u.low = (*o.phase_range)[0], u.high = (*o.phase_range)[1];
  }
  return u;
}

void append(std::vector<float>& values, const Planes<float>& planes, const Extent& e) {
  for (Index d = 0; d < e[0]; ++d) values.insert(values.end(), planes.plane(d), planes.plane(d) + e[1] * e[2]);
}

}  // namespace

DeviceIterator::DeviceIterator(Context<float>& context, const PhaseProblem& problem, const PhaseStep& options, Index starts)
    : context_(context),
      problem_(problem),
      options_(options),
      starts_(starts),
      x_(context, frame_of(problem.extent, starts, 2)),
      work_(context, x_.shape()),
      support_(context, box_of(problem.extent, starts)),
      whole_(context, support_.shape()),
      amplitude_(context, frame_of(problem.extent, 1, 1)),
      sums_(context, {starts, 1, 1, 1, 3}),
      thresholds_(context, sample_vector(starts)),
      blurred_(context, support_.shape()),
      stats_(context, {starts, 1, 1, 1, 4}),
      misfits_(context, {1, 1, 1, most_steps, starts}),
      history_(context, {1, 1, 1, most_unread, starts}),
      sizes_(context, {1, 1, 1, most_wraps, 4 * starts}),
      news_(static_cast<std::size_t>(starts)),
      replay_(context) {
  history_.fill(0), sizes_.fill(0);
  limit_resolution(1);
}

void DeviceIterator::limit_resolution(double share) {
  climbs_ = false;
  std::vector<float> values;
  if (share < 1) {
    Planes<float> limited;
    limit_amplitude(problem_, share, context_.host().stream, limited);
    append(values, limited, problem_.extent);
  } else {
    append(values, problem_.amplitude, problem_.extent);
  }
  amplitude_.from_host(values);
}

void DeviceIterator::upload(std::span<const PhaseIterator* const> from, std::span<const Mask* const> whole) {
  require(static_cast<Index>(from.size()) == starts_ && from.size() == whole.size(), "iterate: {} starts, expected {}",
          from.size(), starts_);
  std::vector<float> x, support, all;
  for (std::size_t k = 0; k < from.size(); ++k) {
    for (const Complex v : from[k]->wrapped().data) x.insert(x.end(), {v.real(), v.imag()});
    for (const auto v : from[k]->support().data) support.push_back(v != 0 ? 1.0F : 0.0F);
    for (const auto v : whole[k]->data) all.push_back(v != 0 ? 1.0F : 0.0F);
  }
  x_.from_host(x), support_.from_host(support), whole_.from_host(all);
  climbs_ = false;
}

std::vector<Mask> DeviceIterator::masks(const Tensor<float>& supports) const {
  const Tensor<float> values = supports.to_host();
  std::vector<Mask> out;
  for (Index n = 0; n < starts_; ++n) {
    Mask m({supports.shape().d, supports.shape().h, supports.shape().w});
    for (Index i = 0; i < m.size(); ++i) m.data[static_cast<std::size_t>(i)] = values[n * m.size() + i] != 0;
    out.push_back(std::move(m));
  }
  return out;
}

std::vector<Mask> DeviceIterator::download(std::span<PhaseIterator* const> to) const {
  require(static_cast<Index>(to.size()) == starts_, "iterate: {} starts, expected {}", to.size(), starts_);
  const Tensor<float> x = x_.to_host();
  const auto used = masks(support_);
  auto whole = masks(whole_);
  // Only now is all there: a device that fails on the way leaves every iterator as it was.
  Volume<Complex> field(problem_.extent);
  for (std::size_t k = 0; k < to.size(); ++k) {
    const float* const from = x.data() + static_cast<Index>(k) * 2 * field.size();
    for (std::size_t i = 0; i < field.data.size(); ++i) field.data[i] = {from[2 * i], from[2 * i + 1]};
    to[k]->set_support(used[k]);
    to[k]->set_wrapped(field);
  }
  return whole;
}

void DeviceIterator::run(Algorithm algorithm, Index count) {
  if (algorithm == Algorithm::ml && !climbs_) begin_likelihood();
  climbs_ = algorithm == Algorithm::ml;
  while (count > 0) {
    const auto most = static_cast<std::uint64_t>(std::min(count, most_steps));
    const auto steps = static_cast<Index>(std::bit_floor(most));  // a graph for each power of two: few, and they fit together
    if (rows_ + steps > most_unread) fetch();
    replay_.run(static_cast<int>(algorithm) * 8 + static_cast<int>(std::bit_width(most)), [&] {
      for (Index i = 0; i < steps; ++i) step(algorithm, row(misfits_, i, starts_));
    });
    context_.device().copy(context_.stream.queue(), row(history_, rows_, starts_).data, misfits_.view().data,
                           static_cast<std::size_t>(steps * starts_) * sizeof(float));
    rows_ += steps;
    count -= steps;
  }
}

/// y = P_M x
void DeviceIterator::project(ConstView<float> x, View<float> y, View<float> misfit) {
  using K = KernelTable<float>;
  const float factor = 1.0F / static_cast<float>(x.shape.voxels());
  context_.launch(&K::wrapped_fft3d_forward, "wrapped_fft3d_forward", x, y);
  context_.launch(&K::modulus_projection, "modulus_projection", factor, amplitude_.read(), ConstView<float>(y), y, misfit);
  context_.launch(&K::wrapped_fft3d_backward, "wrapped_fft3d_backward", ConstView<float>(y), y);
}

void DeviceIterator::step(Algorithm algorithm, View<float> misfit) {
  using K = KernelTable<float>;
  if (algorithm == Algorithm::ml) return likelihood_step(misfit);
  if (algorithm == Algorithm::dm && options_.beta != 1) return difference_map(misfit);
  const SupportUpdateParams update = update_of(algorithm, options_);
  const bool flips = algorithm == Algorithm::cf, needs_sums = flips || update.limits_phase;
  if (needs_sums) context_.launch(&K::density_sums, "density_sums", support_.read(), x_.read(), sums_.view());
  project(x_.read(), work_.view(), misfit);
  if (flips)
    context_.launch(&K::charge_flip, "charge_flip", static_cast<float>(options_.charge_threshold), sums_.read(), work_.read(),
                    x_.view());
  else
    context_.launch(&K::support_update, "support_update", update, support_.read(), sums_.read(), x_.read(), work_.read(),
                    x_.view());
}

// With A = P_M x and B = P_M f, f = x in S and x / beta outside:  x' = (1 + beta) A - beta B in S,  x - beta B outside.
void DeviceIterator::difference_map(View<float> misfit) {
  const Tensor<float> kept(context_, x_.shape()), unused(context_, sample_vector(starts_));
  const auto combine = [&](double x_in, double p_in, double x_out, double p_out, const Tensor<float>& x,
                           const Tensor<float>& y) {
    const SupportUpdateParams params{x_in, p_in, x_out, p_out};
    context_.launch(&KernelTable<float>::support_update, "support_update", params, support_.read(), ConstView<float>{},
                    x.read(), work_.read(), y.view());
  };
  const double b = options_.beta;
  project(x_.read(), work_.view(), misfit);
  combine(0, 1 + b, 1, 0, x_, kept);
  combine(1, 0, 1 / b, 0, x_, work_);
  project(work_.read(), work_.view(), unused.view());
  combine(1, -b, 1, -b, kept, x_);
}

/// x = 0 outside S, and its transform; nothing is known of gradients yet.
void DeviceIterator::begin_likelihood() {
  using K = KernelTable<float>;
  if (!likelihood_) {
    const Shape& s = x_.shape();
    likelihood_ = Likelihood{Tensor<float>(context_, s),
                             Tensor<float>(context_, s),
                             Tensor<float>(context_, s),
                             Tensor<float>(context_, s),
                             Tensor<float>(context_, {starts_, 1, 1, 1, 3}),
                             Tensor<float>(context_, {starts_, 1, 1, 1, 2})};
  }
  for (const auto* t : {&likelihood_->before, &likelihood_->direction, &likelihood_->direction_field, &likelihood_->scalars})
    t->fill(0);
  SupportUpdateParams inside;
  inside.x_in = 1, inside.p_in = 0;
  context_.launch(&K::support_update, "support_update", inside, support_.read(), ConstView<float>{}, x_.read(), work_.read(),
                  x_.view());
  context_.launch(&K::wrapped_fft3d_forward, "wrapped_fft3d_forward", x_.read(), likelihood_->field.view());
}

/// (7) of phase_iterator.h, in the order of kernels/likelihood_step.h.
void DeviceIterator::likelihood_step(View<float> misfit) {
  using K = KernelTable<float>;
  const Likelihood& l = *likelihood_;
  const LikelihoodParams params{static_cast<double>(likelihood_background), 1 / static_cast<double>(x_.shape().voxels())};
  context_.launch(&K::likelihood_gradient, "likelihood_gradient", params, amplitude_.read(), l.scalars.read(),
                  l.direction_field.read(), l.field.view(), work_.view(), misfit);
  context_.launch(&K::wrapped_fft3d_backward, "wrapped_fft3d_backward", work_.read(), work_.view());
  context_.launch(&K::likelihood_products, "likelihood_products", support_.read(), l.before.read(), l.direction.read(),
                  work_.view(), l.products.view());
  context_.launch(&K::likelihood_direction, "likelihood_direction", l.products.read(), l.scalars.read(), work_.read(),
                  l.before.view(), l.direction.view());
  context_.launch(&K::wrapped_fft3d_forward, "wrapped_fft3d_forward", l.direction.read(), l.direction_field.view());
  context_.launch(&K::likelihood_search, "likelihood_search", params, amplitude_.read(), l.field.read(),
                  l.direction_field.read(), l.products.read(), l.scalars.view());
  context_.launch(&K::likelihood_advance, "likelihood_advance", l.scalars.read(), l.direction.read(), x_.view());
}

void DeviceIterator::shrink_wrap(const ShrinkWrap& o, std::span<const double> thresholds, double sigma) {
  using K = KernelTable<float>;
  if (wraps_ == most_wraps) fetch();
  for (Index begin = 0; begin < starts_; begin += static_cast<Index>(Device::few)) {
    const auto count = std::min<Index>(starts_ - begin, static_cast<Index>(Device::few));
    std::array<float, Device::few> values{};
    std::copy_n(thresholds.begin() + begin, count, values.begin());
    context_.device().put(context_.stream.queue(), thresholds_.view().data + begin, values.data(),
                          static_cast<std::size_t>(count));
  }
  const Index box = support_.shape().voxels();
  const auto voxels = [&](double share) {
    return std::clamp<Index>(static_cast<Index>(share * 8 * static_cast<double>(box)), 1, box);
  };
  const ShrinkSupportParams params{o.of, voxels(o.least), std::max(voxels(o.least), voxels(o.most))};
  context_.launch(&K::blurred_amplitude, "blurred_amplitude", static_cast<float>(sigma), x_.read(), blurred_.view());
  context_.launch(&K::shrink_support, "shrink_support", params, thresholds_.read(), blurred_.read(), whole_.read(),
                  whole_.view(), stats_.view());
  context_.launch(&K::roll, "roll", stats_.read(), x_.read(), work_.view());
  x_.copy_from(work_);
  use_whole_supports();
  context_.device().copy(context_.stream.queue(), row(sizes_, wraps_, starts_, 4).data, stats_.view().data,
                         static_cast<std::size_t>(4 * starts_) * sizeof(float));
  ++wraps_;
}

void DeviceIterator::use_whole_supports() {
  support_.copy_from(whole_);
  climbs_ = false;
}

void DeviceIterator::use_half_supports() {
  climbs_ = false;
  std::vector<float> values;
  for (const Mask& m : masks(whole_))
    for (const auto v : half_of(m).data) values.push_back(v != 0 ? 1.0F : 0.0F);
  support_.from_host(values);
}

void DeviceIterator::fetch() {
  if (rows_ == 0 && wraps_ == 0) return;
  const Tensor<float> misfits = history_.to_host(), sizes = sizes_.to_host();
  for (Index n = 0; n < starts_; ++n) {
    Record& r = news_[static_cast<std::size_t>(n)];
    for (Index i = 0; i < rows_; ++i) r.misfit.push_back(static_cast<double>(misfits[i * starts_ + n]) / problem_.power);
    for (Index i = 0; i < wraps_; ++i) r.support_voxels.push_back(static_cast<double>(sizes[(i * starts_ + n) * 4 + 3]));
  }
  rows_ = wraps_ = 0;
}

std::vector<DeviceIterator::Record> DeviceIterator::read() {
  fetch();
  return std::exchange(news_, std::vector<Record>(static_cast<std::size_t>(starts_)));
}

}  // namespace fringe

#include "apps/phasing/network_fit.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

#include "apps/phasing/fit_voxels.h"
#include "apps/phasing/network_output.h"
#include "apps/phasing/random.h"
#include "layers/diffraction.h"

namespace fringe {

double DensityPrior::at(double t) const {
  if (t < on || t >= off) return 0;
  const double rise = full > on ? std::min(1.0, (t - on) / (full - on)) : 1;
  const double fall = t > fade && off > fade ? (off - t) / (off - fade) : 1;
  return weight * rise * fall;
}

namespace {

/// A sum of sixteen cosines of random direction and phase, about one period or less across the array.
void draw_smooth_phase(std::uint64_t seed, double rms, View<float> phase) {
  constexpr int waves = 16;
  Random random(seed, Draw::initial_phase, 0);
  double k[waves][3], offset[waves];
  for (int i = 0; i < waves; ++i) {
    for (auto& component : k[i]) component = 0.6 * random.normal();
    offset[i] = random.uniform(0, 2 * std::numbers::pi);
  }
  const Shape s = phase.shape;
  const auto turn = [](double component, Index i, Index n) {
    return 2 * std::numbers::pi * component * static_cast<double>(i - n / 2) / static_cast<double>(n);
  };
  for (Index d = 0; d < s.d; ++d)
    for (Index h = 0; h < s.h; ++h)
      for (Index w = 0; w < s.w; ++w) {
        double sum = 0;
        for (int i = 0; i < waves; ++i)
          sum += std::cos(turn(k[i][0], d, s.d) + turn(k[i][1], h, s.h) + turn(k[i][2], w, s.w) + offset[i]);
        phase(0, d, h, w, 0) = static_cast<float>(rms * std::sqrt(2.0 / waves) * sum);
      }
}

/// b1 of Eq. 7: Weibull's density with k = 1, lambda = 1/2, from 1e4 at t = 0 to 1 at t = 1.
double pearson_weight(double t) {
  const double end = std::exp(-2.0);
  return 1 + (1e4 - 1) * (std::exp(-2 * t) - end) / (1 - end);
}

}  // namespace

FitProblem::FitProblem(Context<float>& context, const Pattern& p, const Mask& held_out, FitInput kind)
    : pattern(p), free(held_out), illumination(context, p) {
  FitVoxels voxels(context.host(), p, held_out);
  require(voxels.largest > 0, "refine: every measured voxel is zero");
  measured = std::move(voxels.amplitude), weights = std::move(voxels.weights);
  // A flat crystal of density 1 and V voxels has sum |F|^2 = N V and max |F| = V: both are met by dividing |F| by this.
  const double scale = voxels.photons / (static_cast<double>(p.intensity.size()) * std::sqrt(voxels.largest));
  input = network_input(context.host(), kind, measured, {std::sqrt(voxels.largest)});
  for (Index i = 0; i < measured.size(); ++i) measured[i] = static_cast<float>(static_cast<double>(measured[i]) / scale);
  for (auto* tensor : {&input, &measured, &weights}) *tensor = to_device(context, *tensor);
}

NetworkFit::NetworkFit(Context<float>& context, const FitProblem& problem, const FitOptions& options, std::uint64_t seed)
    : context_(context), problem_(problem), options_(options), seed_(seed), network_(context, options.network, seed),
      optimizer_(context, network_.parameters()), tape_(context), best_loss_(context, sample_vector(1)),
      loss_weights_(context, channel_vector(2)), prior_weights_(context, channel_vector(2)),
      results_(context, channel_vector(4)), replay_(context),
      history_(context, {1, 1, 1, most_unread, 4}) {
  const auto& n = problem.pattern.intensity.extent;
  const Shape half{1, n[0] / 2, n[1] / 2, n[2] / 2, 1};
  best_amplitude_ = Tensor<float>(context, half);
  best_phase_ = Tensor<float>(context, half);
  draw_initial_phase();
  best_amplitude_.fill(0);
  best_phase_.fill(0);
  see_best();
  forget_best();
}

void NetworkFit::draw_initial_phase() {
  if (!(options_.initial_phase > 0)) return;
  const Tensor<float> phase(context_.host(), best_phase_.shape());
  draw_smooth_phase(seed_, options_.initial_phase, phase.view());
  if (initial_phase_)
    initial_phase_.from_host(phase.span());
  else
    initial_phase_ = to_device(context_, phase);
}

void NetworkFit::begin_with(const Volume<Complex>& object) {
  require(object.size() == best_amplitude_.size(), "refine: the object to begin with has {} voxels, the network draws {}",
          object.size(), best_amplitude_.size());
  const auto [amplitude, phase] = amplitude_and_phase(context_.host(), object);
  best_amplitude_.from_host(amplitude.span());
  best_phase_.from_host(phase.span());
  see_best();
}

void NetworkFit::forget_best() {
  require_read();
  best_.loss = std::numeric_limits<double>::infinity();
  best_loss_.fill(std::numeric_limits<float>::infinity());
}

Precision NetworkFit::precision() const {
  const bool rounds = options_.precision == Precision::bfloat16 &&
                      static_cast<double>(epoch_) < options_.float32_from * static_cast<double>(options_.epochs);
  return rounds ? Precision::bfloat16 : Precision::tf32x3;  // as good as float32, on every device
}

void NetworkFit::step() {
  if (rows_ == most_unread) fetch();
  const double t = static_cast<double>(epoch_) / static_cast<double>(options_.epochs), prior = options_.prior.at(t);
  const StepPlan plan = plan_step(options_.schedule, epoch_, options_.epochs);
  const double b1 = pearson_weight(t);
  if (options_.loss == FitLoss::paper) loss_weights_.put({static_cast<float>(b1 / (b1 + 1)), static_cast<float>(1 / (b1 + 1))});
  prior_weights_.put({1, static_cast<float>(prior)});
  optimizer_.prepare(plan);
  const bool with_prior = prior > 0;
  context_.stream.set_precision(precision());
  const int kind = 4 * (precision() == Precision::bfloat16) + 2 * with_prior + (plan.method == Method::sgd);
  replay_.run(kind, [&] { compute(with_prior, plan.method); });
  const float* const r = results_.view().data;
  const float* const from[] = {r, r + 1, r + 2, r + 3};
  context_.device().gather(context_.stream.queue(), history_.view().data + 4 * rows_, from, 4);
  ++rows_;
  ++epoch_;
}

/// Forward, loss, backward, optimizer: the same work at every step of a kind.
void NetworkFit::compute(bool with_prior, Method method) {
  auto out = network_.forward(tape_, tape_.constant(problem_.input));
  if (initial_phase_) out.phase = autograd::weighted_sum<float>({1, 1}, {out.phase, tape_.constant(initial_phase_)});
  const auto f =
      problem_.illumination.seen(diffract(out.amplitude, out.phase, problem_.measured.shape(), 1e-6F, options_.network.fused));
  const auto distance = autograd::pearson_loss(f, problem_.measured, problem_.weights);
  const bool logarithmic = options_.loss == FitLoss::logarithmic;
  const auto chi2 = autograd::relative_l2(f, problem_.measured, problem_.weights, {.fit_scale = logarithmic});
  Variable<float> loss;
  if (logarithmic) {
    loss = autograd::weighted_sum<float>({1, 1}, {autograd::log(distance, 1e-7F), autograd::log(chi2, 1e-8F)});
  } else {
    loss = autograd::weighted_sum<float>(loss_weights_, {distance, chi2});
  }
  const auto prior = autograd::uniform_density(out.amplitude);
  const Tensor<float> fit_loss = loss.value();
  const float* const from[] = {fit_loss.view().data, chi2.value().view().data, distance.value().view().data,
                               prior.value().view().data};
  context_.device().gather(context_.stream.queue(), results_.view().data, from, 4);
  const auto choose = [&](std::vector<ChoiceSlot<float>> slots) {
    context_.launch(&KernelTable<float>::choose_smaller, "choose_smaller", best_loss_.read(), fit_loss.read(),
                    std::span<const ChoiceSlot<float>>(slots));
  };
  choose({{best_amplitude_.read(), out.amplitude.value().read(), best_amplitude_.view()},
          {best_phase_.read(), out.phase.value().read(), best_phase_.view()}});
  choose({{best_loss_.read(), fit_loss.read(), best_loss_.view()}});
  if (with_prior) loss = autograd::weighted_sum<float>(prior_weights_, {loss, autograd::log(prior, 1e-3F)});
  tape_.backward(loss);
  optimizer_.apply(method);
  tape_.clear();  // so that the next start, or the next step, finds the memory
}

/// Brings the rows of the history to the host. Which of them is the best was decided by the same comparisons on the device.
void NetworkFit::fetch() {
  if (rows_ == 0) return;
  const Tensor<float> rows = history_.to_host();
  Epoch best = best_;
  for (Index i = 0; i < rows_; ++i) {
    const float* const row = rows.data() + 4 * i;
    const Epoch e{epoch_ - rows_ + i + 1, row[0], row[1], 1 - static_cast<double>(row[2]), row[3]};
    if (e.loss < best.loss) best = e;
    news_.push_back(e);
  }
  rows_ = 0;
  if (best.loss < best_.loss) see_best();
  best_ = best;
}

void NetworkFit::see_best() {
  Tensor<float> amplitude = best_amplitude_.to_host();
  seen_phase_ = best_phase_.to_host();
  seen_amplitude_ = std::move(amplitude);
}

std::vector<NetworkFit::Epoch> NetworkFit::read() {
  fetch();
  return std::exchange(news_, {});
}

Volume<Complex> NetworkFit::best_object() const { return object_of(seen_amplitude_, seen_phase_); }

void NetworkFit::save(Checkpoint& c) const {
  require_read();
  network_.save(c);
  optimizer_.save(c);
  c.put("fit.best_amplitude", best_amplitude_);
  c.put("fit.best_phase", best_phase_);
  c.texts["fit.seed"] = std::to_string(seed_);
  c.numbers["fit.epoch"] = static_cast<double>(epoch_);
  c.numbers["fit.best.loss"] = best_.loss;
  c.numbers["fit.best.chi2"] = best_.chi2;
  c.numbers["fit.best.pearson"] = best_.pearson;
  c.numbers["fit.best.prior"] = best_.prior;
}

void NetworkFit::load(const Checkpoint& c) {
  network_.load(c);
  optimizer_.load(c);
  c.get("fit.best_amplitude", best_amplitude_);
  c.get("fit.best_phase", best_phase_);
  see_best();
  seed_ = std::stoull(c.text("fit.seed"));
  draw_initial_phase();  // of this seed: the fit that was made to be loaded may have had another
  epoch_ = static_cast<Index>(c.number("fit.epoch"));
  best_ = {0, c.number("fit.best.loss"), c.number("fit.best.chi2"), c.number("fit.best.pearson"), c.number("fit.best.prior")};
  best_loss_.fill(static_cast<float>(best_.loss));
}

}  // namespace fringe

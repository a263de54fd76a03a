#include "apps/phasing/train.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "apps/phasing/outcome.h"
#include "apps/phasing/training_steps.h"
#include "layers/diffraction.h"

namespace fringe {
namespace {

constexpr int validation_numbers = 6;

/// The two images of a prediction's field: as it is, and turned in phase to fit a target best.
struct Score {
  double l1 = 0, l2 = 0, error = 0, correlation = 0;
  double turn = 0;
};

/// One crystal's prediction against one image of it. `field` tells whether the prediction's global phase is free.
Score score(const float* amplitude, const float* phase, const SupervisedTargets<float>::Image& target, Index sample,
            Index voxels, bool field) {
  const float *a_g = target.amplitude.data() + sample * voxels, *phi_g = target.phase.data() + sample * voxels;
  const float* rho_g = target.field.data() + 2 * sample * voxels;
  std::complex<double> overlap = 0;
  double pp = 0, gg = 0, aa = 0, l1 = 0;
  for (Index i = 0; i < voxels; ++i) {
    const auto p = std::polar(static_cast<double>(amplitude[i]), static_cast<double>(phase[i]));
    const std::complex<double> g(static_cast<double>(rho_g[2 * i]), static_cast<double>(rho_g[2 * i + 1]));
    overlap += g * std::conj(p);
    pp += std::norm(p);
    gg += std::norm(g);
    const double d = static_cast<double>(amplitude[i]) - static_cast<double>(a_g[i]);
    l1 += d * d;
    aa += static_cast<double>(a_g[i]) * static_cast<double>(a_g[i]);
  }
  Score s;
  s.l1 = l1 / aa;
  s.error = pp > 0 ? std::sqrt(std::max(0.0, 1 - std::norm(overlap) / (pp * gg))) : 1;
  s.turn = std::arg(overlap);
  // The phase of the target's field less that of its `phase`: how far the paper's convention is from a real mean.
  std::complex<double> convention = 0;
  for (Index i = 0; i < voxels; ++i)
    convention += std::complex<double>(static_cast<double>(rho_g[2 * i]), static_cast<double>(rho_g[2 * i + 1])) *
                  std::polar(1.0, -static_cast<double>(phi_g[i]));
  const double offset = field ? s.turn - std::arg(convention) : 0;
  double l2 = 0, norm = 0, n = 0, mp = 0, mg = 0, cpp = 0, cgg = 0, cpg = 0;
  for (Index i = 0; i < voxels; ++i) {
    const double g = static_cast<double>(phi_g[i]);
    double p = static_cast<double>(phase[i]);
    if (field) p = amplitude[i] >= 0.5F ? p + offset : 0;
    l2 += (p - g) * (p - g);
    norm += g * g;
    if (a_g[i] < 0.5F) continue;
    const double q = static_cast<double>(phase[i]);
    ++n;
    mp += q;
    mg += g;
    cpp += q * q;
    cgg += g * g;
    cpg += q * g;
  }
  s.l2 = norm > 0 ? l2 / norm : 0;
  const double vp = cpp - mp * mp / n, vg = cgg - mg * mg / n;
  s.correlation = n > 1 && vp > 1e-12 && vg > 1e-12 ? (cpg - mp * mg / n) / std::sqrt(vp * vg) : 0;
  return s;
}

/// What the network gets, where it runs. The host keeps the batch: it scores by it.
Batch to_device(Context<float>& context, const Batch& batch) {
  Batch there = batch;
  auto& t = there.targets;
  for (auto* tensor : {&there.input, &t.given.amplitude, &t.given.phase, &t.given.field, &t.twin.amplitude, &t.twin.phase,
                       &t.twin.field, &t.magnitude})
    *tensor = fringe::to_device(context, *tensor);
  return there;
}

class Training {
 public:
  Training(const TrainOptions& options, const Ranks& ranks)
      : options_(options),
        ranks_(ranks),
        context_(options.backend, options.threads),
        data_(options.data),
        network_(context_, with_inputs(options), options.seed),
        optimizer_(context_, network_.parameters()),
        training_steps_(context_, checked(options, ranks), ranks, data_, network_, optimizer_) {
    if (!context_.device().host_memory) data_.draw_on(context_);
    const Index samples = data_.training_count() > 0 ? data_.training_count() : options.samples;
    steps_per_epoch_ = samples / options.batch;
    require(steps_per_epoch_ > 0, "train: {} crystals to an epoch do not fill a batch of {}", samples, options.batch);
    schedule_ = options.schedule;
    schedule_.period *= steps_per_epoch_;
    epochs_ = options.epochs;
  }

  TrainResult run(const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop);

 private:
  static NetworkOptions with_inputs(const TrainOptions& o) {
    NetworkOptions n = o.network;
    n.inputs = input_channels(o.input);
    return n;
  }
  static const TrainOptions& checked(const TrainOptions& o, const Ranks& ranks) {
    require(o.batch % o.micro_batch == 0, "train: a batch of {} is no multiple of the micro-batch of {}", o.batch,
            o.micro_batch);
    const Index micro_batches = o.batch / o.micro_batch;
    require(micro_batches >= ranks.size(), "train: {} ranks share {} micro-batches of {}; some would have nothing to do",
            ranks.size(), micro_batches, o.micro_batch);
    return o;
  }
  void fit(const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop);
  void read();
  Validation validate(std::vector<Example>* examples = nullptr);
  Validation mean_image();
  Checkpoint model() const;
  std::string fingerprint() const;
  void save() const;
  void load();
  Index steps() const { return epochs_ * steps_per_epoch_; }

  const TrainOptions& options_;
  const Ranks& ranks_;
  Context<float> context_;
  Dataset data_;
  Network<float> network_;
  Optimizer<float> optimizer_;
  TrainingSteps training_steps_;
  ScheduleOptions schedule_;
  Index steps_per_epoch_ = 1, epochs_ = 1;
  Index step_ = 0;
  double epoch_loss_ = 0, seconds_before_ = 0;
  TrainResult result_;
  Clock::time_point started_ = Clock::now();
};

/// Takes in what the steps have left: nothing is missing after that.
void Training::read() {
  const auto losses = training_steps_.read();
  auto number = step_ - static_cast<Index>(losses.size());
  for (const double loss : losses) {
    require(std::isfinite(loss), "train: the loss is not finite at step {}; try a smaller --rate", ++number);
    epoch_loss_ += loss;
  }
}

Validation Training::validate(std::vector<Example>* examples) {
  double sums[validation_numbers] = {};
  const bool field = options_.weights.term == PhaseTerm::field;
  const Index all = data_.validation_count();
  for (Index first = ranks_.rank(); first < all; first += options_.micro_batch * ranks_.size()) {
    const Index count = std::min(options_.micro_batch, (all - first + ranks_.size() - 1) / ranks_.size());
    const Batch batch = data_.validation(context_.host(), options_.input, first, ranks_.size(), count),
                there = to_device(context_, batch);
    Tape<float> tape(context_, false);
    const auto output = network_.forward(tape, tape.constant(there.input), Network<float>::Statistics::running);
    const auto f = diffract(output.amplitude, output.phase, there.targets.magnitude.shape());
    const Tensor<float> l3 = autograd::pearson_loss(f, there.targets.magnitude, {}).value().to_host();
    const Tensor<float> amplitude = output.amplitude.value().to_host(), phase = output.phase.value().to_host();
    auto targets = there.targets;
    if (!options_.twin_invariant) targets.twin = {};
    const Tensor<float> loss = supervised_loss<float>(output, targets, options_.weights).value().to_host();
    const Index n = data_.size() / 2, voxels = n * n * n;
    for (Index k = 0; k < count; ++k) {
      const float *a = amplitude.data() + k * voxels, *phi = phase.data() + k * voxels;
      const Score given = score(a, phi, batch.targets.given, k, voxels, field),
                  twin = score(a, phi, batch.targets.twin, k, voxels, field);
      const bool use_twin = twin.l1 + twin.l2 < given.l1 + given.l2;
      const Score& s = use_twin ? twin : given;
      const double numbers[validation_numbers] = {static_cast<double>(loss[k]), s.l1,    s.l2,
                                                  static_cast<double>(l3[k]),   s.error, s.correlation};
      for (int i = 0; i < validation_numbers; ++i) sums[i] += numbers[i];
      if (examples != nullptr && examples->size() < 4) {
        Example e{Volume<Complex>({n, n, n}), Volume<Complex>({n, n, n})};
        const auto& image = use_twin ? batch.targets.twin : batch.targets.given;
        for (Index i = 0; i < voxels; ++i) {
          const auto at = static_cast<std::size_t>(i);
          e.truth.data[at] = {image.field[2 * (k * voxels + i)], image.field[2 * (k * voxels + i) + 1]};
          e.predicted.data[at] = std::polar(a[i], phi[i] + static_cast<float>(s.turn));
        }
        examples->push_back(std::move(e));
      }
    }
  }
  ranks_.sum(std::span<double>(sums));
  for (double& v : sums) v /= static_cast<double>(all);
  return {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]};
}

/// Every rank does it all: it is small.
Validation Training::mean_image() {
  const Index n = data_.size() / 2, voxels = n * n * n, chunk = 16;
  const Index count = std::min<Index>(512, data_.training_count() > 0 ? data_.training_count() : 512) / chunk * chunk;
  std::vector<double> amplitude(static_cast<std::size_t>(voxels)), phase(amplitude);
  for (Index first = 0; first < count; first += chunk) {
    const Batch b = data_.training(context_.host(), options_.input, first, 1, chunk);
    for (Index i = 0; i < chunk * voxels; ++i) {
      amplitude[static_cast<std::size_t>(i % voxels)] +=
          static_cast<double>(b.targets.given.amplitude[i]) / static_cast<double>(count);
      phase[static_cast<std::size_t>(i % voxels)] +=
          static_cast<double>(b.targets.given.phase[i]) / static_cast<double>(count);
    }
  }
  Context<float>& host = context_.host();
  const Tensor<float> a(host, {1, n, n, n, 1}), phi(host, a.shape());
  for (Index i = 0; i < voxels; ++i) {
    a[i] = static_cast<float>(amplitude[static_cast<std::size_t>(i)]);
    phi[i] = static_cast<float>(phase[static_cast<std::size_t>(i)]);
  }
  Validation v;
  const Index all = data_.validation_count();
  for (Index k = 0; k < all; ++k) {
    const Batch b = data_.validation(host, options_.input, k, 1, 1);
    Tape<float> tape(host, false);
    const auto f = diffract(tape.constant(a), tape.constant(phi), b.targets.magnitude.shape());
    v.l3 += static_cast<double>(autograd::pearson_loss(f, b.targets.magnitude, {}).value()[0]);
    const Score given = score(a.data(), phi.data(), b.targets.given, 0, voxels, false),
                twin = score(a.data(), phi.data(), b.targets.twin, 0, voxels, false);
    const Score& s = twin.l1 + twin.l2 < given.l1 + given.l2 ? twin : given;
    v.l1 += s.l1, v.l2 += s.l2, v.error += s.error, v.phase_correlation += s.correlation;
  }
  for (double* x : {&v.l1, &v.l2, &v.l3, &v.error, &v.phase_correlation}) *x /= static_cast<double>(all);
  v.loss = v.mean();
  return v;
}

Checkpoint Training::model() const {
  Checkpoint c;
  network_.save(c);
  c.texts["model.input"] = name(options_.input);
  c.texts["model.training"] = fingerprint();
  c.numbers["model.size"] = static_cast<double>(data_.size());
  c.numbers["model.samples"] = static_cast<double>(step_ * options_.batch);
  return c;
}

std::string Training::fingerprint() const {
  const auto& o = options_;
  const auto& p = o.data.population;
  const auto range = [](const Range& r) { return fmt::format("{},{}", r.low, r.high); };
  return fmt::format(
      "set '{}' size {} seed {} held out {} augment {} noise {} polyhedra {} phase {} photons {} axis {} exponent {} "
      "correlation {} "
      "smooth {} width {} levels {} slope {} norm {} separable {} head {} {} upsampling {} input {} loss {} {} {} {} "
      "twin {} "
      "schedule {} {} {} {} {} epochs {} steps {} batch {} micro {}{}",
      o.data.set, data_.size(), o.seed, data_.validation_count(), o.data.augment, o.data.noise, p.polyhedra,
      range(p.phase_range), range(p.photons), range(p.crystal.semi_axis), range(p.crystal.exponent),
      range(p.crystal.correlation), p.crystal.smooth_edge, o.network.width, o.network.levels, o.network.slope,
      o.network.batch_norm, o.network.separable, static_cast<int>(o.network.phase_head), o.network.phase_scale,
      static_cast<int>(o.network.upsampling), name(o.input), o.weights.term == PhaseTerm::field ? "field" : "paper",
      o.weights.amplitude, o.weights.phase, o.weights.diffraction, o.twin_invariant, name(schedule_.schedule),
      schedule_.rate, schedule_.decay, schedule_.period, schedule_.warm_up, o.epochs, steps_per_epoch_, o.batch,
      o.micro_batch, o.backend.precision == Precision::bfloat16 ? " precision bf16" : "");
}

void Training::save() const {
  if (options_.checkpoint.empty() || ranks_.rank() != 0) return;
  Checkpoint c;
  network_.save(c);
  optimizer_.save(c);
  c.texts["fingerprint"] = fingerprint();
  c.numbers["epochs"] = static_cast<double>(epochs_);
  c.numbers["step"] = static_cast<double>(step_);
  c.numbers["epoch_loss"] = epoch_loss_;
  c.numbers["seconds"] = seconds_before_ + since(started_);
  c.numbers["best_epoch"] = static_cast<double>(result_.best_epoch);
  const auto pack = [](const Validation& v) {
    return std::vector<double>{v.loss, v.l1, v.l2, v.l3, v.error, v.phase_correlation};
  };
  c.put("mean_image", pack(result_.mean_image));
  std::vector<double> curve;
  for (const auto& e : result_.epochs) {
    for (const double v :
         {static_cast<double>(e.epoch), static_cast<double>(e.samples), e.seconds, e.rate, e.training_loss})
      curve.push_back(v);
    const auto v = pack(e.validation);
    curve.insert(curve.end(), v.begin(), v.end());
  }
  if (!curve.empty()) c.put("curve", curve);
  if (result_.best_epoch > 0) c.add("best.", result_.best);
  c.save(options_.checkpoint);
}

void Training::load() {
  const auto c = Checkpoint::load(options_.checkpoint);
  require(c.text("fingerprint") == fingerprint(), "{}: the checkpoint is of another training:\n  there {}\n  here  {}",
          options_.checkpoint, c.text("fingerprint"), fingerprint());
  network_.load(c);
  optimizer_.load(c);
  epochs_ = static_cast<Index>(c.number("epochs"));
  step_ = static_cast<Index>(c.number("step"));
  epoch_loss_ = c.number("epoch_loss");
  seconds_before_ = c.number("seconds");
  result_.best_epoch = static_cast<Index>(c.number("best_epoch"));
  const auto unpack = [](const double* v) { return Validation{v[0], v[1], v[2], v[3], v[4], v[5]}; };
  result_.mean_image = unpack(c.values("mean_image").data());
  if (c.has("curve")) {
    const auto curve = c.values("curve");
    for (std::size_t i = 0; i + 11 <= curve.size(); i += 11) {
      TrainEpoch e{
          static_cast<Index>(curve[i]), static_cast<Index>(curve[i + 1]), curve[i + 2], curve[i + 3], curve[i + 4], {}};
      e.validation = unpack(&curve[i + 5]);
      result_.epochs.push_back(e);
    }
  }
  if (result_.best_epoch > 0) {
    result_.best = c.part("best.");
    result_.best_validation = result_.epochs.at(static_cast<std::size_t>(result_.best_epoch - 1)).validation;
  }
}

void Training::fit(const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop) {
  if (options_.resume)
    load();
  else
    result_.mean_image = mean_image();
  Clock::time_point last_checkpoint = Clock::now(), steps_from = Clock::now();
  const Index first_step = step_;
  double validating = 0;
  bool stopping = false;
  // Also true of what was loaded: a run that was stopped after its last epoch, before it wrote its model, must not go on.
  const auto in_vain = [&] {
    const auto epochs = static_cast<Index>(result_.epochs.size());
    return options_.patience > 0 && epochs > 0 && step_ == epochs * steps_per_epoch_ &&
           epochs - result_.best_epoch >= options_.patience;
  };
  while (step_ < steps() && !stopping && !(result_.stopped_early = in_vain())) {
    stopping = stop != 0 || (options_.time_limit > 0 && since(started_) > options_.time_limit);
    training_steps_.step(step_, plan_step(schedule_, step_, steps()), stopping);
    ++step_;
    const Index in_epoch = (step_ - 1) % steps_per_epoch_ + 1;
    const bool plans = options_.time_limit > 0 && !options_.resume && step_ == std::min<Index>(8, steps_per_epoch_);
    const bool saves = since(last_checkpoint) > options_.checkpoint_interval;
    if (!plans && !saves && !stopping && in_epoch < steps_per_epoch_ && !training_steps_.should_read()) continue;
    read();
    if (plans) {
      // The first steps tell how many can be afforded; rank 0's clock decides for all.
      double affordable = ranks_.rank() == 0 ? std::floor((options_.time_limit - since(started_)) * 0.93 /
                                                          (since(steps_from) / static_cast<double>(step_)) /
                                                          static_cast<double>(steps_per_epoch_))
                                             : 0;
      ranks_.sum(std::span<double>(&affordable, 1));
      epochs_ = std::clamp<Index>(static_cast<Index>(affordable), 1, options_.epochs);
    }
    TrainProgress p{(step_ - 1) / steps_per_epoch_ + 1, epochs_, step_, steps(), 0, 0, 0, nullptr};
    p.loss = epoch_loss_ / static_cast<double>(in_epoch);
    const double stepping = since(steps_from) - validating,
                 per_step = stepping / static_cast<double>(step_ - first_step);
    p.samples_per_second = static_cast<double>(options_.batch) / per_step;
    p.seconds_left = per_step * static_cast<double>(steps() - step_);
    if (in_epoch == steps_per_epoch_) {
      const auto begin = Clock::now();
      TrainEpoch e{p.epoch,   step_ * options_.batch, 0, plan_step(schedule_, step_ - 1, steps()).rate, p.loss,
                   validate()};
      validating += since(begin);
      e.seconds = seconds_before_ + since(started_);
      result_.epochs.push_back(e);
      epoch_loss_ = 0;
      if (result_.best_epoch == 0 || e.validation.loss < result_.best_validation.loss) {
        result_.best_epoch = e.epoch;
        result_.best_validation = e.validation;
        result_.best = model();
      }
      p.finished = &result_.epochs.back();
    }
    progress(p);
    if (since(last_checkpoint) > options_.checkpoint_interval) {
      save();
      last_checkpoint = Clock::now();
    }
  }
  save();
  result_.last = model();
  if (result_.best_epoch == 0) {  // ended within the first epoch
    result_.best = result_.last;
    result_.best_validation = validate();
  }
  network_.load(result_.best);
  validate(&result_.examples);
}

TrainResult Training::run(const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop) {
  try {
    fit(progress, stop);
  } catch (const DeviceError& error) {
    if (result_.best_epoch == 0) throw;
    result_.failure = error.what();
  }
  result_.seconds = seconds_before_ + since(started_);
  return std::move(result_);
}

}  // namespace

TrainResult train(const TrainOptions& options, const Ranks& ranks,
                  const std::function<void(const TrainProgress&)>& progress, const std::atomic<int>& stop) {
  return Training(options, ranks).run(progress, stop);
}

}  // namespace fringe

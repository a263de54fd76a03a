#include "apps/phasing/refine.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "apps/phasing/outcome.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/starting_object.h"
#include "engine/device.h"

namespace fringe {
namespace {

/// A start, and what was recorded of it.
struct Start {
  std::unique_ptr<NetworkFit> fit;
  HandedOver handed_over;  ///< where there is an object to start from
  Curve chi2, pearson, loss, prior;

  void record(const NetworkFit::Epoch& e) {
    const auto epoch = static_cast<double>(e.number);
    for (auto [curve, value] : {std::pair{&chi2, e.chi2}, {&pearson, e.pearson}, {&loss, e.loss}, {&prior, e.prior}}) {
      curve->epoch.push_back(epoch);
      curve->value.push_back(value);
    }
  }
  void save(Checkpoint& c) const {
    fit->save(c);
    c.numbers["hand_over.epochs"] = static_cast<double>(handed_over.epochs);
    c.numbers["hand_over.misfit"] = handed_over.misfit;
    c.put("curve.epoch", chi2.epoch);
    c.put("curve.chi2", chi2.value);
    c.put("curve.pearson", pearson.value);
    c.put("curve.loss", loss.value);
    c.put("curve.prior", prior.value);
  }
  void load(const Checkpoint& c) {
    fit->load(c);
    handed_over = {static_cast<Index>(c.number("hand_over.epochs")), c.number("hand_over.misfit")};
    for (auto [curve, name] : {std::pair{&chi2, "chi2"}, {&pearson, "pearson"}, {&loss, "loss"}, {&prior, "prior"}}) {
      curve->epoch = c.values("curve.epoch");
      curve->value = c.values(std::string("curve.") + name);
    }
  }
};

/// What must be equal for a checkpoint to be gone on from.
std::string fingerprint(const Pattern& pattern, const RefineOptions& o) {
  double sum = 0;
  for (const float v : pattern.intensity.data) sum += std::isfinite(v) ? static_cast<double>(v) : 0;
  const auto& e = pattern.intensity.extent;
  const auto& f = o.fit;
  std::complex<double> object = 0;
  for (const auto& v : o.object.data) object += std::complex<double>(v);
  return fmt::format("{}x{}x{} {:.17g} seed {} starts {} from {} trial {} free {} width {} levels {} slope {} {} {} {} rate {} {} "
                     "prior {} {} {} {} {} initial {} loss {} input {} upsampling {} object {} {} hand over {} {}{}{}",
                     e[0], e[1], e[2], sum, o.seed, o.starts, o.first_start, o.trial, o.free_fraction, f.network.width, f.network.levels,
                     f.network.slope, f.network.batch_norm, f.network.separable, static_cast<int>(f.network.phase_head),
                     f.schedule.rate, name(f.schedule.schedule), f.prior.weight, f.prior.on, f.prior.full, f.prior.fade,
                     f.prior.off, f.initial_phase, static_cast<int>(f.loss), static_cast<int>(f.input),
                     static_cast<int>(f.network.upsampling), object.real(), object.imag(), o.hand_over.epochs, o.hand_over.rate,
                     o.backend.precision == Precision::bfloat16 ? fmt::format(" bf16 to {}", f.float32_from) : "",
                     illumination_text(pattern));
}

/// Whether the fit has stopped getting better: less than half a per cent of chi^2 from one fifth of the run to the next. Where the
/// rate or the prior still falls, what that brings comes last: such a run is not ended before nine tenths.
bool on_plateau(const Start& start, const FitOptions& fit, Index epochs) {
  const auto& loss = start.loss.value;
  const auto window = std::max<Index>(200, epochs / 5), done = static_cast<Index>(loss.size());
  const bool falling = fit.schedule.schedule == Schedule::cosine || fit.prior.weight > 0;
  if (done < 2 * window || done < epochs * (falling ? 9 : 7) / 10) return false;
  const auto middle = loss.end() - window;
  const double before = *std::min_element(middle - window, middle), lately = *std::min_element(middle, loss.end());
  return before - lately < 0.01;
}

class Refinement {
 public:
  Refinement(const Pattern& pattern, const RefineOptions& options)
      : pattern_(pattern), options_(options), context_(options.backend, options.threads),
        free_(options.free_fraction > 0
                  ? make_free_mask(options.seed, pattern.intensity.extent, pattern.mask, {.fraction = options.free_fraction})
                  : Mask{}),
        problem_(context_, pattern, free_, options.fit.input) {
    require(options.starts >= 1 && options.fit.epochs >= 1, "refine: at least one start and one epoch are needed");
    if (!options.model.empty()) model_ = Checkpoint::load(options.model);
    if (!options.object.empty()) {
      object_ = starting_object(options.object, pattern.intensity.extent);
      const auto level = static_cast<float>(density_level(converted<std::complex<double>>(object_)));
      for (auto& v : object_.data) v /= level;
    }
    context_.profile = options.profile;
  }

  Reconstruction run(const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop);

 private:
  Start make_start(Index number);
  Start make_start(Index number, Precision precision);
  /// The same, fitted to the object to start from.
  Start begin_start(Index number, const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop);
  double seconds_per_epoch(Precision precision);
  void fit_epochs_to_time();
  /// Steps until `epochs` of this start are done; false when the run has to end.
  bool advance(Start& start, Index epochs, const std::function<void(const RefineProgress&)>& progress,
               const std::atomic<int>& stop);
  /// All of the run: what is running_ at its end is the best, or best_ is when it ended early.
  void fit(const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop);
  /// Waits for the numbers of the start's steps, and records them.
  void look(Start& start);
  /// Epochs between two looks at a start that runs: a device would stand still while the host looks at every one.
  Index epochs_unseen() const { return context_.device().host_memory ? 1 : 20; }
  double score(const Volume<Complex>& object) const { return misfit(object, pattern_, free_, options_.threads); }
  double score(const Start& start) const { return score(start.fit->best_object()); }
  static bool has_drawn(const Start& start) { return start.fit && !start.chi2.value.empty(); }
  void save_checkpoint() const;
  void load_checkpoint();
  Reconstruction result(const Start& start, const std::atomic<int>& stop);
  Index trial_epochs() const {
    return options_.starts == 1 ? epochs_ : std::max<Index>(1, std::lround(options_.trial * static_cast<double>(epochs_)));
  }
  Index total_epochs() const { return options_.starts * trial_epochs() + epochs_ - trial_epochs(); }

  const Pattern& pattern_;
  const RefineOptions& options_;
  Context<float> context_;
  Mask free_;
  FitProblem problem_;
  std::optional<Checkpoint> model_;
  Volume<Complex> object_;              ///< to start from, centred, of density 1; or empty

  Index epochs_ = options_.fit.epochs;  ///< of a whole run, cut to the time limit
  Index hand_over_epochs_ = options_.hand_over.epochs;  ///< of each start, cut likewise
  Index current_ = 0;                   ///< number of the start that runs; `starts` when the best is carried on
  Start running_, best_;
  bool chosen_before_ = false;          ///< by the run that was resumed, which has forgotten the trial's best state then
  double best_score_ = 0;
  Index epochs_done_ = 0;               ///< of all starts
  double seconds_before_ = 0;           ///< of the run that was resumed
  Clock::time_point started_ = Clock::now(), last_checkpoint_ = Clock::now();
  std::string start_time_ = utc_now(), device_ = options_.backend.name(), failure_;
};

Start Refinement::make_start(Index number) { return make_start(number, options_.backend.precision); }

Start Refinement::make_start(Index number, Precision precision) {
  FitOptions fit = options_.fit;
  fit.epochs = epochs_;
  fit.precision = precision;
  Start s;
  s.fit = std::make_unique<NetworkFit>(context_, problem_, fit, options_.seed + static_cast<std::uint64_t>(options_.first_start + number));
  if (model_) s.fit->network().load(*model_);
  return s;
}

Start Refinement::begin_start(Index number, const std::function<void(const RefineProgress&)>& progress,
                              const std::atomic<int>& stop) {
  Start s = make_start(number);
  if (object_.empty()) return s;
  const auto report = [&](Index epoch, double misfit) {
    RefineProgress p{.start = number, .starts = options_.starts, .handing_over = true};
    p.epoch = epoch;
    p.epochs = hand_over_epochs_;
    p.chi2 = misfit;
    p.seconds = seconds_before_ + since(started_);
    progress(p);
  };
  HandOverOptions handing_over = options_.hand_over;
  handing_over.epochs = hand_over_epochs_;
  s.handed_over = hand_over(context_, s.fit->network(), problem_.input, object_, handing_over, report, stop);
  s.fit->begin_with(object_);
  return s;
}

double Refinement::seconds_per_epoch(Precision precision) {
  const Start start = make_start(0, precision);
  // The first epoch allocates, the second is recorded on a device; three more are measured.
  for (int i = context_.device().host_memory ? 1 : 2; i > 0; --i) start.fit->step();
  start.fit->read();
  const auto begin = Clock::now();
  for (int i = 0; i < 3; ++i) start.fit->step();
  start.fit->read();
  return since(begin) / 3;
}

void Refinement::fit_epochs_to_time() {
  double seconds = seconds_per_epoch(options_.backend.precision);
  if (options_.backend.precision == Precision::bfloat16) {
    const double share = std::clamp(options_.fit.float32_from, 0.0, 1.0);
    seconds = share * seconds + (1 - share) * seconds_per_epoch(Precision::float32);
  }
  const double affordable = (options_.time_limit - since(started_)) / seconds * (options_.polish ? 0.93 : 0.97);
  const double shares = options_.starts == 1 ? 1 : 1 + static_cast<double>(options_.starts - 1) * options_.trial;
  const auto starts = static_cast<double>(options_.starts);
  if (!object_.empty())
    hand_over_epochs_ = std::clamp<Index>(static_cast<Index>(0.4 * affordable / starts), 1, options_.hand_over.epochs);
  const double handing_over = object_.empty() ? 0 : starts * static_cast<double>(hand_over_epochs_);
  epochs_ = std::clamp<Index>(static_cast<Index>((affordable - handing_over) / shares), 1, options_.fit.epochs);
}

bool Refinement::advance(Start& start, Index epochs, const std::function<void(const RefineProgress&)>& progress,
                         const std::atomic<int>& stop) {
  while (start.fit->epoch() < epochs) {
    // Here and not after the step: a run that was stopped after its plateau, before its polish, must not go on.
    if (options_.stop_on_plateau && epochs == epochs_ && on_plateau(start, options_.fit, epochs_)) return true;
    // Without an object to start from not before the first epoch, so that there is one to write.
    if ((epochs_done_ > 0 || !object_.empty()) && (stop != 0 || (options_.time_limit > 0 && since(started_) > options_.time_limit))) {
      look(start);
      return false;
    }
    start.fit->step();
    ++epochs_done_;
    if (start.fit->unread() < epochs_unseen() && start.fit->epoch() < epochs) continue;
    look(start);
    const double seconds = seconds_before_ + since(started_), speed = static_cast<double>(epochs_done_) / seconds;
    progress({static_cast<Index>(start.fit->seed() - options_.seed) - options_.first_start, options_.starts,
              current_ >= options_.starts, false, epochs_done_, total_epochs(), start.chi2.value.back(), start.pearson.value.back(), seconds,
              static_cast<double>(total_epochs() - epochs_done_) / speed, speed});
    if (!options_.checkpoint.empty() && since(last_checkpoint_) > options_.checkpoint_interval) {
      save_checkpoint();
      last_checkpoint_ = Clock::now();
    }
  }
  return true;
}

void Refinement::look(Start& start) {
  for (const auto& e : start.fit->read()) {
    require(std::isfinite(e.loss), "refine: the fit diverged at epoch {} of start {}; try a smaller --rate", e.number,
            current_);
    start.record(e);
  }
}

void Refinement::fit(const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop) {
  if (options_.resume) {
    load_checkpoint();
    if (!running_.fit && current_ < options_.starts) running_ = begin_start(current_, progress, stop);
  } else {
    if (options_.time_limit > 0) fit_epochs_to_time();
    running_ = begin_start(0, progress, stop);
  }
  bool going = true;
  while (going && current_ < options_.starts) {
    going = advance(running_, trial_epochs(), progress, stop);
    if (!going) break;
    if (const double s = score(running_); !best_.fit || s < best_score_) {
      best_ = std::move(running_);
      best_score_ = s;
    }
    if (++current_ < options_.starts) running_ = begin_start(current_, progress, stop);
  }
  if (going) {
    running_ = std::move(best_);
    best_ = {};
    if (options_.starts > 1 && !chosen_before_) running_.fit->forget_best();
    advance(running_, epochs_, progress, stop);
  }
  if (!options_.checkpoint.empty()) save_checkpoint();
}

Reconstruction Refinement::run(const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop) {
  try {
    fit(progress, stop);
  } catch (const DeviceError& error) {
    failure_ = error.what();
    try {
      if (running_.fit) look(running_);  // the steps before it, where the device still answers
    } catch (const Error&) {  // the first error is the one to report
    }
    if (!has_drawn(running_) && !has_drawn(best_)) throw;
  }
  const bool earlier_is_better =
      best_.fit && (!has_drawn(running_) || best_score_ <= score(running_));  // ended during the trials
  const Start& winner = earlier_is_better ? best_ : running_;
  if (!options_.save_model.empty() && failure_.empty()) {
    Checkpoint c;
    winner.fit->network().save(c);
    c.texts["model.input"] = name(options_.fit.input);
    c.save(options_.save_model);
  }
  return result(winner, stop);
}

void Refinement::save_checkpoint() const {
  Checkpoint c;
  c.texts["fingerprint"] = fingerprint(pattern_, options_);
  c.numbers["epochs"] = static_cast<double>(epochs_);
  c.numbers["hand_over_epochs"] = static_cast<double>(hand_over_epochs_);
  c.numbers["epochs_done"] = static_cast<double>(epochs_done_);
  c.numbers["current"] = static_cast<double>(current_);
  c.numbers["best_score"] = best_score_;
  c.numbers["seconds"] = seconds_before_ + since(started_);
  for (const auto& [prefix, start] : {std::pair{"running.", &running_}, {"best.", &best_}}) {
    // A hand-over that was cut short is begun again.
    if (!start->fit || (!object_.empty() && start->fit->epoch() == 0)) continue;
    Checkpoint part;
    start->save(part);
    c.add(prefix, part);
    c.numbers[std::string("has.") + prefix] = 1;
  }
  c.save(options_.checkpoint);
}

void Refinement::load_checkpoint() {
  const auto c = Checkpoint::load(options_.checkpoint);
  require(c.text("fingerprint") == fingerprint(pattern_, options_),
          "{}: the checkpoint is of another pattern or other options:\n  there {}\n  here  {}", options_.checkpoint,
          c.text("fingerprint"), fingerprint(pattern_, options_));
  epochs_ = static_cast<Index>(c.number("epochs"));
  hand_over_epochs_ = static_cast<Index>(c.number("hand_over_epochs"));
  epochs_done_ = static_cast<Index>(c.number("epochs_done"));
  current_ = static_cast<Index>(c.number("current"));
  best_score_ = c.number("best_score");
  seconds_before_ = c.number("seconds");
  for (const auto& [prefix, start] : {std::pair{"running.", &running_}, {"best.", &best_}}) {
    if (!c.numbers.contains(std::string("has.") + prefix)) continue;
    *start = make_start(std::min(current_, options_.starts - 1));
    start->load(c.part(prefix));
  }
  if (current_ >= options_.starts && running_.fit) {
    best_ = std::move(running_);
    chosen_before_ = true;
  }
}

Reconstruction Refinement::result(const Start& start, const std::atomic<int>& stop) {
  Reconstruction r;
  r.pattern = pattern_;
  r.object = start.fit->best_object();
  if (options_.polish && failure_.empty()) {
    PolishOptions polishing = options_.polishing;
    if (options_.time_limit > 0) polishing.time_limit = options_.time_limit - since(started_);
    try {
      auto polished = polish(context_, problem_, r.object, polishing, stop);
      r.object = std::move(polished.object);
      r.metrics["polish_steps"] = static_cast<double>(polished.steps);
    } catch (const DeviceError& error) {
      failure_ = error.what();
    }
  }
  centre_object(r.object);
  judge_object(r, free_, options_.threads);
  r.metrics["density_prior"] = start.fit->best().prior;
  if (!object_.empty()) {
    r.metrics["given_free_llk"] = score(object_);
    r.metrics["hand_over_epochs"] = static_cast<double>(start.handed_over.epochs);
    r.metrics["hand_over_misfit"] = start.handed_over.misfit;
  }
  const double seconds = seconds_before_ + since(started_);
  r.metrics["seconds"] = seconds;
  r.metrics["epochs"] = static_cast<double>(epochs_done_);
  r.metrics["epochs_per_second"] = static_cast<double>(epochs_done_) / seconds;
  r.metrics["starts"] = static_cast<double>(options_.starts);
  r.metrics["best_seed"] = static_cast<double>(start.fit->seed());
  r.curves = {{"chi2", start.chi2}, {"pearson", start.pearson}, {"loss", start.loss}, {"density_prior", start.prior}};
  r.device = device_;  // as it was called when it worked
  r.failure = failure_;
  r.start_time = start_time_;
  return r;
}

}  // namespace

Reconstruction refine(const Pattern& pattern, const RefineOptions& options,
                      const std::function<void(const RefineProgress&)>& progress, const std::atomic<int>& stop) {
  return Refinement(pattern, options).run(progress, stop);
}

void start_from(RefineOptions& options, Volume<Complex> object) {
  options.object = std::move(object);
  options.starts = 1;
  options.fit.initial_phase = 0;
  options.fit.epochs = 800;
  options.fit.schedule.rate = 0.0005;
}

Index default_levels(const Extent& extent, Index most) {
  Index levels = 0;
  const auto fits = [&](Index l) {
    return std::all_of(extent.begin(), extent.end(), [&](Index n) { return n % (Index{1} << l) == 0 && n >> l >= 4; });
  };
  while (levels < most && fits(levels + 1)) ++levels;
  require(levels >= 1, "refine: a pattern of {} x {} x {} voxels is too small or odd for the network", extent[0], extent[1],
          extent[2]);
  return levels;
}

void centre_object(Volume<Complex>& object) {
  double mass = 0, moment[3] = {};
  std::complex<double> mean = 0;
  const auto& e = object.extent;
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w) {
        const auto v = std::complex<double>(object(d, h, w));
        const double m = std::norm(v);
        mass += m;
        mean += v * std::abs(v);
        moment[0] += m * static_cast<double>(d - e[0] / 2);
        moment[1] += m * static_cast<double>(h - e[1] / 2);
        moment[2] += m * static_cast<double>(w - e[2] / 2);
      }
  if (!(mass > 0)) return;
  Index shift[3];
  for (int axis = 0; axis < 3; ++axis) shift[axis] = std::lround(moment[axis] / mass);
  const Complex turn(std::polar(1.0, -std::arg(mean)));
  // Moving is only allowed where nothing leaves the array: a wrapped crystal would diffract differently.
  Volume<Complex> moved(e);
  double kept = 0;
  const auto inside = [&](Index i, int axis) { return i >= 0 && i < e[axis]; };
  for (Index d = 0; d < e[0]; ++d)
    for (Index h = 0; h < e[1]; ++h)
      for (Index w = 0; w < e[2]; ++w) {
        const Index to[3] = {d - shift[0], h - shift[1], w - shift[2]};
        if (!inside(to[0], 0) || !inside(to[1], 1) || !inside(to[2], 2)) continue;
        moved(to[0], to[1], to[2]) = object(d, h, w) * turn;
        kept += std::norm(std::complex<double>(object(d, h, w)));
      }
  if (kept > (1 - 1e-6) * mass) {
    object = std::move(moved);
  } else {
    for (auto& v : object.data) v *= turn;
  }
}

}  // namespace fringe

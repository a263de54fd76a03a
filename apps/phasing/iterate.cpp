#include "apps/phasing/iterate.h"

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "apps/phasing/device_starts.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/parallel.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/simulate.h"
#include "engine/checkpoint.h"
#include "engine/device.h"

namespace fringe {
namespace {

std::vector<double> flat(const Volume<Complex>& object) {
  std::vector<double> out;
  for (const auto& v : object.data) out.insert(out.end(), {static_cast<double>(v.real()), static_cast<double>(v.imag())});
  return out;
}
Volume<Complex> unflat(const std::vector<double>& values, const Extent& extent) {
  Volume<Complex> object(extent);
  require(values.size() == 2 * object.data.size(), "iterate: the checkpoint's object has another extent");
  for (std::size_t i = 0; i < object.data.size(); ++i)
    object.data[i] = {static_cast<float>(values[2 * i]), static_cast<float>(values[2 * i + 1])};
  return object;
}

/// What must be equal for a checkpoint to be gone on from.
std::string fingerprint(const Pattern& pattern, const IterateOptions& o) {
  double sum = 0, squares = 0;
  for (const float v : pattern.intensity.data)
    if (std::isfinite(v)) sum += static_cast<double>(v), squares += static_cast<double>(v) * static_cast<double>(v);
  std::complex<double> object = 0;
  for (const auto& v : o.object.data) object += std::complex<double>(v);
  const auto& e = pattern.intensity.extent;
  const auto& s = o.shrink_wrap;
  const auto range = o.step.phase_range.value_or(std::array<double, 2>{0, 0});
  return fmt::format("{}x{}x{} {:.17g} {:.17g} recipe {} beta {} flip {} range {} {} support {} {} "
                     "shrink {} {} {} {} {} {} {} {} {} {} {} {} detwin {} {} low {} {} coherence {} {} object {} {} starts {} {} seed {} free {}{}",
                     e[0], e[1], e[2], sum, squares, text_of(o.recipe), o.step.beta, o.step.charge_threshold, range[0],
                     range[1], static_cast<int>(o.first_support), voxels_in(o.support), o.shrinks, s.start, s.step, s.stop,
                     s.threshold, s.last_threshold,
                     static_cast<int>(s.of), s.sigma, s.last_sigma, s.decay, s.least, s.most, o.detwin, o.detwin_length,
                     o.low_resolution, o.low_resolution_end, static_cast<int>(o.coherence), o.coherence_width, object.real(),
                     object.imag(), o.starts, o.first_start, o.seed, o.free_fraction, illumination_text(pattern));
}

/// A start's end.
struct Finished {
  Index number = -1;
  double score = 0;
  Volume<Complex> object;
  Curve chi2, size;
  std::vector<double> kernel;  ///< of partial coherence
  bool better_than(const Finished& other) const {
    return other.number < 0 || score < other.score || (score == other.score && number < other.number);
  }
};

class Iteration {
 public:
  Iteration(const Pattern& pattern, const IterateOptions& options)
      : options_(options), common_(pattern, options),
        workers_(static_cast<int>(std::min<Index>(options.threads, options.starts))),
        threads_each_(std::max(1, options.threads / workers_)), scores_(static_cast<std::size_t>(options.starts), unfinished),
        taken_(scores_.size()) {
    require(!on_device() || !common_.coherence(), "iterate: partial coherence is the CPU's; use --device cpu");
    const bool has_ml = std::any_of(options.recipe.begin(), options.recipe.end(),
                                    [](const Block& b) { return b.algorithm == Algorithm::ml; });
    require(!has_ml || !common_.coherence(),
            "iterate: ML supposes coherent illumination; leave it out of the recipe {}, or --coherence", text_of(options.recipe));
  }

  Reconstruction run(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop);

 private:
  static constexpr double unfinished = std::numeric_limits<double>::infinity();

  bool on_device() const { return !options_.backend.device->host_memory; }
  void run_on_host(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop);
  void run_on_device(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop);
  /// To the end of the recipe; false when interrupted, or when the device failed.
  bool advance(Context<float>& context, std::vector<std::unique_ptr<IterateStart>>& starts,
               const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop);
  std::vector<Index> next_numbers(Index most);
  void work(const std::atomic<int>& stop);
  /// To the end of the recipe; false when interrupted.
  bool advance(IterateStart& start, const std::atomic<int>& stop);
  void finish(IterateStart& start, bool complete);
  Volume<float> calculated(const Volume<Complex>& object, Coherence* coherence) const;
  bool out_of_time() const { return options_.time_limit > 0 && since(started_) > options_.time_limit; }
  Index next_number();
  void deposit(const IterateStart& start);
  void save_checkpoint() const;
  void load_checkpoint();
  IterateProgress status() const;
  Reconstruction result();

  const IterateOptions& options_;
  IterateProblem common_;
  int workers_, threads_each_;

  mutable std::mutex mutex_;  ///< guards all below
  std::condition_variable changed_;
  std::vector<double> scores_;
  std::map<Index, Checkpoint> running_;  ///< last known states of starts that are not finished
  std::vector<char> taken_;              ///< starts that a worker has begun
  Finished best_;                        ///< of the starts that came to their end
  Finished interrupted_;                 ///< of those that did not
  Index finished_ = 0, working_ = 0;
  double chi2_ = 1, longest_start_ = 0;
  std::string failure_;
  Clock::time_point last_checkpoint_ = Clock::now();

  std::atomic<Index> iterations_done_{0};
  std::atomic<bool> give_up_{false};
  double seconds_before_ = 0;
  Clock::time_point started_ = Clock::now();
  std::string start_time_ = utc_now(), device_ = options_.backend.name();
  std::string device_failure_;      ///< why a device did not get further
  std::exception_ptr device_error_;  ///< the same, to be thrown
};

Volume<float> Iteration::calculated(const Volume<Complex>& object, Coherence* coherence) const {
  const Extent& e = common_.problem.extent;
  auto intensity = converted<float>(diffract(object, e, threads_each_));
  if (coherence != nullptr) coherence->blur(intensity.data.data(), intensity.data.data());  // any origin: a convolution
  return intensity;
}

Index Iteration::next_number() {
  const std::lock_guard lock(mutex_);
  for (Index n = 0; n < options_.starts; ++n) {
    if (scores_[static_cast<std::size_t>(n)] != unfinished || taken_[static_cast<std::size_t>(n)] != 0) continue;
    if (options_.time_limit > 0 && best_.number >= 0 && since(started_) + longest_start_ > options_.time_limit) return -1;
    taken_[static_cast<std::size_t>(n)] = 1;
    return n;
  }
  return -1;
}

void Iteration::deposit(const IterateStart& start) {
  Checkpoint c;
  start.save(c);
  const std::lock_guard lock(mutex_);
  running_[start.number()] = std::move(c);
  if (since(last_checkpoint_) > options_.checkpoint_interval / 2) {
    save_checkpoint();
    last_checkpoint_ = Clock::now();
  }
}

bool Iteration::advance(IterateStart& start, const std::atomic<int>& stop) {
  auto deposited = Clock::now();
  while (start.iteration() < common_.total) {
    if (stop != 0 || give_up_ || out_of_time()) return false;
    start.step();
    ++iterations_done_;
    if (start.iteration() % 10 == 0) {
      const std::lock_guard lock(mutex_);
      chi2_ = start.last_chi2();
    }
    if (!options_.checkpoint.empty() && since(deposited) > options_.checkpoint_interval) {
      deposit(start);
      deposited = Clock::now();
    }
  }
  return true;
}

void Iteration::finish(IterateStart& start, bool complete) {
  Finished f{start.number(), 0, start.object(), start.chi2(), start.size(), {}};
  const auto intensity = calculated(f.object, start.coherence());
  f.score = common_.free.empty() ? chi2(intensity, common_.pattern) : free_llk(intensity, common_.pattern, common_.free);
  if (!std::isfinite(f.score)) f.score = std::numeric_limits<double>::max();
  if (start.coherence() != nullptr) f.kernel = start.coherence()->state();
  Checkpoint state;
  if (!complete && !options_.checkpoint.empty()) start.save(state);
  const std::lock_guard lock(mutex_);
  if (complete) {
    scores_[static_cast<std::size_t>(f.number)] = f.score;
    running_.erase(f.number);
    ++finished_;
  } else if (!options_.checkpoint.empty()) {
    running_[f.number] = std::move(state);
  }
  Finished& rival = complete ? best_ : interrupted_;
  if (f.better_than(rival)) rival = std::move(f);
}

void Iteration::work(const std::atomic<int>& stop) {
  try {
    // Even when the signal came before the first iteration there is something to write: hence `first`.
    bool first = true;
    for (Index number; (first || stop == 0) && !give_up_ && (number = next_number()) >= 0; first = false) {
      const auto begin = Clock::now();
      IterateStart start(common_, number, threads_each_);
      Checkpoint state;
      bool resumed = false;
      {
        const std::lock_guard lock(mutex_);
        if (const auto found = running_.find(number); found != running_.end()) state = found->second, resumed = true;
      }
      if (resumed) start.load(state);
      const bool complete = advance(start, stop);
      finish(start, complete);
      const std::lock_guard lock(mutex_);
      if (complete && !resumed) longest_start_ = std::max(longest_start_, since(begin));
      if (!complete) break;
    }
  } catch (const std::exception& e) {
    const std::lock_guard lock(mutex_);
    failure_ = e.what();
    give_up_ = true;
  }
  const std::lock_guard lock(mutex_);
  --working_;
  changed_.notify_all();
}

IterateProgress Iteration::status() const {
  const std::lock_guard lock(mutex_);
  const double seconds = seconds_before_ + since(started_);
  const Index done = iterations_done_, all = options_.starts * common_.total;
  const double speed = static_cast<double>(done) / seconds;
  double left = static_cast<double>(all - done) / std::max(speed, 1e-9);
  if (options_.time_limit > 0) left = std::clamp(left, 0.0, std::max(0.0, options_.time_limit - since(started_)));
  IterateProgress p{finished_, options_.starts, done, all, chi2_, {}, seconds, left, speed};
  p.best = best_.number >= 0 ? best_.score : std::numeric_limits<double>::quiet_NaN();
  return p;
}

/// Starts that are at the same iteration, so that they can go on side by side.
std::vector<Index> Iteration::next_numbers(Index most) {
  std::vector<Index> numbers;
  const auto iteration = [&](Index n) {
    const auto found = running_.find(n);
    return found == running_.end() ? 0.0 : found->second.number("iteration");
  };
  if (const Index first = next_number(); first >= 0) numbers.push_back(first);
  const std::lock_guard lock(mutex_);
  for (Index n = 0; n < options_.starts && !numbers.empty() && static_cast<Index>(numbers.size()) < most; ++n) {
    const auto at = static_cast<std::size_t>(n);
    if (scores_[at] != unfinished || taken_[at] != 0 || iteration(n) != iteration(numbers.front())) continue;
    taken_[at] = 1;
    numbers.push_back(n);
  }
  return numbers;
}

bool Iteration::advance(Context<float>& context, std::vector<std::unique_ptr<IterateStart>>& starts,
                        const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop) {
  constexpr Index unseen = 128;  // iterations between two looks at the misfits, for which the device stands still
  constexpr double keeping = 5;  // [s] between two looks at all, so that a device that fails has not worked for nothing
  try {
    DeviceStarts batch(context, common_, starts);
    auto kept = Clock::now(), deposited = kept, shown = kept;
    for (Index unread = 0; !batch.finished();) {
      if (stop != 0 || out_of_time()) {
        batch.keep();
        return false;
      }
      const Index done = batch.advance(unseen);
      unread += done;
      iterations_done_ += done * static_cast<Index>(starts.size());
      if (unread < unseen) continue;
      chi2_ = batch.look();
      unread = 0;
      if (since(kept) > keeping) {
        batch.keep();
        kept = Clock::now();
      }
      if (!options_.checkpoint.empty() && since(deposited) > options_.checkpoint_interval) {
        batch.keep();
        for (const auto& s : starts) deposit(*s);
        deposited = Clock::now();
      }
      if (since(shown) > 0.1) {
        progress(status());
        shown = Clock::now();
      }
    }
    batch.keep();
    return true;
  } catch (const DeviceError& error) {
    device_failure_ = error.what();
    device_error_ = std::current_exception();
    return false;
  }
}

void Iteration::run_on_device(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop) {
  Context<float> context(options_.backend, options_.threads);
  bool first = true;  // as in work()
  for (std::vector<Index> numbers; (first || stop == 0) && !(numbers = next_numbers(DeviceStarts::together(common_.problem.extent))).empty();
       first = false) {
    const auto begin = Clock::now();
    std::vector<std::unique_ptr<IterateStart>> starts(numbers.size());
    const auto count = static_cast<Index>(numbers.size());
    threads_each_ = std::max(1, options_.threads / static_cast<int>(count));
    bool resumed = false;
    parallel_items(count, options_.threads, [&](Index k) {
      const Index number = numbers[static_cast<std::size_t>(k)];
      auto start = std::make_unique<IterateStart>(common_, number, threads_each_);
      if (const auto found = running_.find(number); found != running_.end()) start->load(found->second);
      starts[static_cast<std::size_t>(k)] = std::move(start);
    });
    for (const auto& s : starts) resumed = resumed || s->iteration() > 0;
    const bool complete = advance(context, starts, progress, stop);
    // What a device that failed had not shown to the host is lost, and no result.
    if (!device_failure_.empty()) std::erase_if(starts, [](const auto& s) { return s->iteration() == 0; });
    parallel_items(static_cast<Index>(starts.size()), options_.threads,
                 [&](Index k) { finish(*starts[static_cast<std::size_t>(k)], complete); });
    if (complete && !resumed) longest_start_ = std::max(longest_start_, since(begin));
    progress(status());
    if (!complete) break;
  }
  if (device_error_ && best_.number < 0 && interrupted_.number < 0) std::rethrow_exception(device_error_);
}

Reconstruction Iteration::run(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop) {
  if (options_.resume) load_checkpoint();
  if (on_device())
    run_on_device(progress, stop);
  else
    run_on_host(progress, stop);
  if (!options_.checkpoint.empty()) save_checkpoint();
  progress(status());
  if (interrupted_.number >= 0 && interrupted_.better_than(best_)) best_ = std::move(interrupted_);
  return result();
}

void Iteration::run_on_host(const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop) {
  working_ = workers_;
  std::vector<std::jthread> threads;
  for (int i = 0; i < workers_; ++i) threads.emplace_back([&] { work(stop); });
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, std::chrono::milliseconds(100), [&] { return working_ == 0; });
      if (working_ == 0) break;
    }
    progress(status());
  }
  threads.clear();
  require(failure_.empty(), "{}", failure_);
}

void Iteration::save_checkpoint() const {
  Checkpoint c;
  c.texts["fingerprint"] = fingerprint(common_.pattern, options_);
  c.numbers["iterations_done"] = static_cast<double>(iterations_done_);
  c.numbers["seconds"] = seconds_before_ + since(started_);
  std::vector<double> scores = scores_;
  for (auto& s : scores)
    if (s == unfinished) s = -1;
  c.put("scores", scores);
  c.numbers["best.number"] = static_cast<double>(best_.number);
  if (best_.number >= 0) {
    c.put("best.object", flat(best_.object));
    c.put("best.chi2", best_.chi2.value);
    c.put("best.size.iteration", best_.size.epoch);
    c.put("best.size", best_.size.value);
    c.put("best.kernel", best_.kernel);
  }
  std::vector<double> numbers;
  for (const auto& [number, state] : running_) {
    numbers.push_back(static_cast<double>(number));
    c.add(fmt::format("start{}.", number), state);
  }
  c.put("running", numbers);
  c.save(options_.checkpoint);
}

void Iteration::load_checkpoint() {
  const auto c = Checkpoint::load(options_.checkpoint);
  require(c.text("fingerprint") == fingerprint(common_.pattern, options_),
          "{}: the checkpoint is of another pattern or other options:\n  there {}\n  here  {}", options_.checkpoint,
          c.text("fingerprint"), fingerprint(common_.pattern, options_));
  seconds_before_ = c.number("seconds");
  scores_ = c.values("scores");
  for (auto& s : scores_) {
    if (s < 0)
      s = unfinished;
    else
      ++finished_;
  }
  iterations_done_ = finished_ * common_.total;
  if (const auto number = static_cast<Index>(c.number("best.number")); number >= 0) {
    const Extent& e = common_.problem.extent;
    best_ = {number,
             scores_[static_cast<std::size_t>(number)],
             unflat(c.values("best.object"), {e[0] / 2, e[1] / 2, e[2] / 2}),
             {},
             {c.values("best.size.iteration"), c.values("best.size")},
             c.values("best.kernel")};
    best_.chi2.value = c.values("best.chi2");
    for (std::size_t i = 1; i <= best_.chi2.value.size(); ++i) best_.chi2.epoch.push_back(static_cast<double>(i));
  }
  for (const double n : c.values("running")) {
    const auto number = static_cast<Index>(n);
    running_[number] = c.part(fmt::format("start{}.", number));
    iterations_done_ += static_cast<Index>(running_[number].number("iteration"));
  }
}

Reconstruction Iteration::result() {
  require(best_.number >= 0, "iterate: no start was made");
  Reconstruction r;
  r.pattern = common_.pattern;
  r.object = best_.object;
  centre_object(r.object);
  auto coherence = common_.coherence();
  if (coherence) {
    coherence->restore(best_.kernel);
    r.metrics["coherence_width"] = coherence->width();
    const auto& w = coherence->widths();
    if (options_.coherence != CoherenceModel::lucy)
      r.metrics["coherence_width_d"] = w[0], r.metrics["coherence_width_h"] = w[1], r.metrics["coherence_width_w"] = w[2];
  }
  r.calculated = calculated(r.object, coherence ? &*coherence : nullptr);
  judge(r, common_.free, options_.threads);
  r.support = occupied(r.object);
  const double seconds = seconds_before_ + since(started_);
  const auto done = static_cast<double>(iterations_done_);
  r.metrics["seconds"] = seconds;
  r.metrics["epochs"] = done;
  r.metrics["epochs_per_second"] = done / seconds;
  r.metrics["starts"] = static_cast<double>(std::max<Index>(1, finished_));
  r.metrics["best_seed"] = static_cast<double>(options_.seed) + static_cast<double>(options_.first_start + best_.number);
  r.metrics["support_voxels"] = static_cast<double>(voxels_in(r.support));
  Curve& scores = r.curves["start_free_llk"];
  for (std::size_t i = 0; i < scores_.size(); ++i)
    if (scores_[i] != unfinished) {
      const auto number = static_cast<double>(options_.first_start) + static_cast<double>(i);
      scores.epoch.push_back(static_cast<double>(options_.seed) + number);
      scores.value.push_back(scores_[i]);
    }
  r.curves["chi2"] = best_.chi2;
  r.curves["support_voxels"] = best_.size;
  r.device = device_;
  r.failure = device_failure_;
  r.start_time = start_time_;
  return r;
}

}  // namespace

void use_paper_recipe(IterateOptions& o) {
  o.recipe = parse_recipe("50*ER+18*(50*HIO+50*ER)+50*HIO+100*ER");
  o.step.beta = 0.9;
  o.first_support = FirstSupport::box;
  o.shrinks = true;
  o.shrink_wrap.threshold = o.shrink_wrap.last_threshold = 0.2;
  o.shrink_wrap.of = ThresholdOf::maximum;
  o.shrink_wrap.start = 100;
  o.shrink_wrap.step = 10;
  o.shrink_wrap.stop = 0;
}

Reconstruction iterate(const Pattern& pattern, const IterateOptions& options,
                       const std::function<void(const IterateProgress&)>& progress, const std::atomic<int>& stop) {
  return Iteration(pattern, options).run(progress, stop);
}

}  // namespace fringe

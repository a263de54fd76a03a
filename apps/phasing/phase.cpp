#include "apps/phasing/phase.h"

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <numbers>
#include <numeric>

#include "apps/phasing/agreement.h"
#include "apps/phasing/alignment.h"
#include "apps/phasing/coherence_fit.h"
#include "apps/phasing/ensemble.h"
#include "apps/phasing/iterate.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/polish.h"
#include "apps/phasing/refine.h"
#include "apps/phasing/simulate.h"
#include "apps/phasing/starting_object.h"
#include "apps/phasing/uniform_density_fit.h"
#include "engine/device.h"

namespace fringe {
namespace {

namespace fs = std::filesystem;

// The numbers of the recipe (docs/phase.md has what was measured).
constexpr Index starts = 40, survivors = 16, compared = 6;
constexpr const char* search_recipe = "3*(80*RAAR+20*ER)+20*ML";
constexpr const char* finish_recipe = "3*(80*RAAR+20*ER)+50*ER+20*ML";
constexpr const char* last_recipe = "50*ER+20*ML";
// Where the illumination is partially coherent, starts begin anew (partially_coherent_recipe) and find its widths on their way:
// what was found under coherent illumination is too small a crystal, and from it the widths stay too small, too. ML does not know
// partial coherence; the fits of the single voxels do.
constexpr const char* blurred_last_recipe = "50*ER";
/// Where the best coherent crystal sees no blur, the same starts are made twice, and must differ by so many standard errors and
/// find a blur of at least this rms width [voxels of Q]. Of sixty coherent patterns two did the one and two others the other
/// (docs/phase.md).
constexpr Index pairs = 12;
constexpr const char* pair_recipe = "3*(80*RAAR+20*ER)+50*ER";
constexpr double pair_errors = 3, least_width = 0.25;
/// Shares of the time limit by which searching, the fit of the coherence, carrying the survivors to their end, the first fits of nearly uniform density, and
/// the network are over.
constexpr double search_share = 0.2, coherence_share = 0.3, finish_share = 0.4, uniform_share = 0.5, network_share = 0.9;

constexpr const char *search_folder = "search", *coherent_folder = "coherent", *blurred_folder = "blurred",
                     *finish_folder = "carried-on", *network_state = "network";

/// The object, within its own support.
void begin_with(IterateOptions& o, const Volume<Complex>& object) {
  o.object = object;
  o.first_support = FirstSupport::given;
  o.support = occupied(object);
}

class Phasing {
 public:
  Phasing(const Pattern& pattern, const PhaseOptions& options, const std::function<void(const PhaseProgress&)>& progress,
          const std::atomic<int>& stop)
      : pattern_(pattern),
        options_(options),
        progress_(progress),
        stop_(stop),
        free_(make_free_mask(options.seed, pattern.intensity.extent, pattern.mask)),
        fingerprint_(fmt::format("{} seed {} phase {} {} {}, {}, {}, {}", signature(pattern), options.seed, starts, survivors, search_recipe,
                                 finish_recipe, pair_recipe, partially_coherent_recipe)) {
    if (options.folder.empty() || options.time_limit > 0) return;
    folder_ = options.folder;
    std::error_code error;
    fs::create_directories(folder_, error);
    require(!error, "{}: cannot make this folder: {}", folder_, error.message());
  }

  Phased run() {
    const auto found = search();
    find_coherence(found);
    auto ended = carry_on(found);
    if (!ended.empty()) pattern_.coherence = coherence_of(ended.front());
    if (ended.empty()) ended = found;
    if (ended.empty() && best_.object.empty()) return {};  // interrupted before anything was there
    if (ended.empty()) ended = {{options_.seed, best_.object, {{"free_llk", best_.score}, {"chi2", 1}}}};
    if (ended.size() > compared) ended.resize(compared);
    if (ended.size() > 1) {
      const auto begin = Clock::now();
      const auto r = agreement(pattern_, free_, ended, {.threads = options_.threads});
      consider(fmt::format("the average of the best {:.0f}", r.metrics.at("kept")), r.object, begin);
    }
    try {
      std::vector<Volume<Complex>> from{best_.object};
      for (const Member& m : ended) from.push_back(m.object);
      make_uniform(from, uniform_share);  // under the coherence of the best of the starts
      const std::string before = best_.what;
      network();
      const bool is_start = best_.object.data == ended.front().object.data;
      pattern_.coherence = best_.coherence;
      polish_voxels("the best so far", best_.object);
      if (!is_start) polish_voxels("the best of the starts", ended.front().object);
      if (best_.what != before) make_uniform({best_.object}, 1);
    } catch (const DeviceError& error) {  // what was found before is good
      fails(error.what());
    }
    return conclude(ended);
  }

 private:
  struct Candidate {
    std::string what;
    Volume<Complex> object;
    double score = std::numeric_limits<double>::infinity();
    std::array<double, 3> coherence{};  ///< that it was found under, and is judged under
  };

  Pattern pattern_under(const std::array<double, 3>& coherence) const {
    Pattern p = pattern_;
    p.coherence = coherence;
    return p;
  }
  /// Keeps the object if it is the best so far; returns its score.
  double offer(const std::string& what, const Volume<Complex>& object, const std::array<double, 3>& coherence) {
    const double s = misfit(object, pattern_under(coherence), free_, options_.threads);
    const std::lock_guard lock(mutex_);
    if (s < best_.score) best_ = {what, object, s, coherence};
    return s;
  }
  /// offer(), as a step that took since `begin`.
  void consider(const std::string& what, const Volume<Complex>& object, Clock::time_point begin,
                const std::array<double, 3>& coherence) {
    PhaseStepDone step{what, offer(what, object, coherence), {}, since(begin)};
    if (!pattern_.truth.empty()) step.true_error = align(object, pattern_.truth, {.threads = options_.threads}).error;
    done_.steps.push_back(std::move(step));
  }
  void consider(const std::string& what, const Volume<Complex>& object, Clock::time_point begin) {
    consider(what, object, begin, pattern_.coherence);
  }
  /// What the start found beside the crystal; what it was given where it did not look.
  std::array<double, 3> coherence_of(const Member& m) const {
    if (!m.metrics.contains("coherence_width_d")) return pattern_.coherence;
    return {m.metrics.at("coherence_width_d"), m.metrics.at("coherence_width_h"), m.metrics.at("coherence_width_w")};
  }
  /// The device has: what is the best now is the result.
  void fails(const std::string& why) {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = why;
  }
  bool over(double share = 1) const { return stop_ != 0 || !failure_.empty() || left(share) <= 0; }
  double left(double share = 1) const {
    return options_.time_limit > 0 ? share * options_.time_limit - since(started_) : std::numeric_limits<double>::infinity();
  }

  /// `count` runs of iterate there, the best first, none begun after `share` of the time limit; each is kept in this folder of
  /// the folder. `settings(k)`: of run number k.
  std::vector<Member> iterate_all(const std::string& step, const char* folder, Index count, double share, const Backend& backend,
                                  const std::function<IterateOptions(Index)>& settings) {
    std::atomic<int> ends{stop_ != 0};  // the signal, the time, or the device
    const RunStart run = [&](const StartJob& job) {
      IterateOptions o = settings(job.number);
      o.starts = 1;
      o.seed = options_.seed;
      o.threads = job.threads;
      o.backend = backend;
      if (options_.time_limit > 0) o.time_limit = std::max(1e-3, left(share));
      Reconstruction r;
      try {
        r = iterate(
            pattern_, o,
            [&](const IterateProgress& p) { job.progress(static_cast<double>(p.iteration) / static_cast<double>(p.iterations)); },
            stop_);
      } catch (const DeviceError& error) {
        fails(error.what());
        ends = 1;
        throw;
      }
      if (!r.failure.empty()) fails(r.failure);
      if (stop_ != 0 || !r.failure.empty()) {
        offer("an unfinished start", r.object, pattern_.coherence);
        ends = 1;
      }
      return r;
    };
    const auto report = [&](const EnsembleProgress& p) {
      if (p.done > 0 && left(share) <= 0) ends = 1;
      progress_({step, p.share, std::min(best_.score, std::isnan(p.best) ? best_.score : p.best), since(started_)});
    };
    EnsembleOptions keeping{
        .starts = count, .threads = options_.threads, .side_by_side = backend.device->host_memory};
    if (!folder_.empty()) {
      keeping.folder = (fs::path(folder_) / folder).string();
      keeping.fingerprint = fingerprint_;
    }
    auto ran = run_starts(keeping, run, report, ends);
    require(!ran.members.empty() || !best_.object.empty() || stop_ != 0, "phase: no start came to its end: {}",
            ran.failures.empty() ? "the time is too short" : ran.failures.front());
    std::sort(ran.members.begin(), ran.members.end(), [](const Member& a, const Member& b) { return a.score() < b.score(); });
    return std::move(ran.members);
  }
  /// The best of these runs, as a step.
  void consider(const std::string& what, const std::vector<Member>& members, Clock::time_point begin) {
    if (!members.empty())
      consider(fmt::format("{} {}: seed {}", members.size(), what, members.front().seed), members.front().object, begin,
               coherence_of(members.front()));
  }

  /// Where projections under partial coherence are made.
  static Backend cpu() { return {}; }

  /// Start number k, under coherent illumination or with a blur that is found on the way.
  static IterateOptions start(Index k, const char* recipe, CoherenceModel coherence) {
    IterateOptions o;
    o.recipe = parse_recipe(recipe);
    o.first_start = k;
    o.coherence = coherence;
    return o;
  }

  std::vector<Member> search() {
    const auto begin = Clock::now();
    auto found = iterate_all("short starts", search_folder, starts, search_share, options_.backend,
                             [](Index k) { return start(k, search_recipe, CoherenceModel::full); });
    consider("short starts", found, begin);
    searched_ = static_cast<Index>(found.size());
    return found;
  }

  /// Whether the illumination is partially coherent: whether the best start is better explained with a blur, or else whether starts come
  /// further with one.
  void find_coherence(const std::vector<Member>& found) {
    if (found.empty() || over(coherence_share)) return;
    const auto begin = Clock::now();
    try {
      Context<float> context(options_.backend, options_.threads);
      const auto fit = fit_coherence(
          context, pattern_, free_, found.front().object, {},
          [&](double done) { progress_({"partial coherence", done, best_.score, since(started_)}); },
          [&] { return over(coherence_share); });
      if (!fit) return;
      coherence_gain_ = fit->gain;
      if (!fit->significant()) return compare_starts();
      pattern_.coherence = fit->widths;
      consider("partial coherence, a first fit", fit->object, begin);
    } catch (const DeviceError& error) {
      fails(error.what());
    }
  }

  /// The same starts under coherent illumination and with a blur. A crystal found under coherent illumination has shrunk until its
  /// pattern is as wide as the blurred one, and may need no blur any more: starts that looked for it from the beginning tell what
  /// that crystal cannot.
  void compare_starts() {
    const auto begin = Clock::now();
    const auto coherent = iterate_all("starts under coherent illumination", coherent_folder, pairs, coherence_share, options_.backend,
                                      [](Index k) { return start(k, pair_recipe, CoherenceModel::full); });
    const auto blurred = iterate_all("starts under partial coherence", blurred_folder, pairs, coherence_share, cpu(),
                                     [](Index k) { return start(k, pair_recipe, CoherenceModel::gaussian); });
    if (over(coherence_share)) return;  // the last of them were cut short
    const Difference gain = gain_of_starts(coherent, blurred);
    if (!(gain.mean > pair_errors * gain.standard_error)) return;
    const auto widths = coherence_of(blurred.front());
    const double square = std::inner_product(widths.begin(), widths.end(), widths.begin(), 0.0);
    if (square < 3 * least_width * least_width) return;
    coherence_gain_ = gain;
    pattern_.coherence = widths;
    consider("short starts under partial coherence", blurred, begin);
  }

  /// By how much the free LLK of the second is smaller: mean over the starts of the same seed, and its standard error; none where
  /// fewer than three came to their end.
  static Difference gain_of_starts(const std::vector<Member>& coherent, const std::vector<Member>& blurred) {
    std::vector<double> gains;
    for (const Member& a : coherent)
      for (const Member& b : blurred)
        if (a.seed == b.seed) gains.push_back(a.score() - b.score());
    return gains.size() < 3 ? Difference{} : mean_difference(gains);
  }

  std::vector<Member> carry_on(const std::vector<Member>& found) {
    if (found.empty() || over(finish_share)) return {};
    const auto begin = Clock::now();
    const auto count = std::min<Index>(survivors, static_cast<Index>(found.size()));
    if (pattern_.partially_coherent()) {
      auto ended = iterate_all("starts under partial coherence", finish_folder, count, finish_share, cpu(),
                               [](Index k) { return start(k, partially_coherent_recipe, CoherenceModel::gaussian); });
      consider("starts under partial coherence", ended, begin);
      return ended;
    }
    auto ended = iterate_all("the best carried on", finish_folder, count, finish_share, options_.backend, [&](Index k) {
      const Member& m = found[static_cast<std::size_t>(k)];
      IterateOptions o;
      o.recipe = parse_recipe(finish_recipe);
      o.first_start = static_cast<Index>(m.seed - options_.seed);  // its threshold
      begin_with(o, m.object);
      o.shrink_wrap.start = 10;
      o.shrink_wrap.sigma = 1;
      return o;
    });
    consider("best ones carried on", ended, begin);
    return ended;
  }

  /// As starting_object(); none where the object does not fit into the half array once it is centred: a start that was cut short before
  /// its support had shrunk to the crystal, or a crystal as large as that.
  std::optional<Volume<Complex>> centred(const Volume<Complex>& object) const {
    try {
      return starting_object(object, pattern_.intensity.extent);
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  /// The network from the crystal that would be the result now, then projections from what it draws.
  void network() {
    const Extent& e = pattern_.intensity.extent;
    const bool drawable = std::all_of(e.begin(), e.end(), [](Index n) { return n % 2 == 0 && n >= 8; });
    if (!drawable || over(network_share)) return;
    const auto chosen = preferred();
    const Volume<Complex>& from = chosen ? chosen->fit->object : best_.object;
    pattern_.coherence = chosen ? chosen->fit->coherence : best_.coherence;
    if (!centred(from)) return;
    auto begin = Clock::now();
    RefineOptions o;
    start_from(o, from);
    o.fit.network.levels = default_levels(e);
    o.seed = options_.seed;
    o.threads = options_.threads;
    o.backend = options_.backend;
    if (options_.time_limit > 0) o.time_limit = left(network_share);
    if (!folder_.empty()) {
      // Its sums depend on the number of threads, or the device; so does what goes on from here.
      const std::string where = options_.backend.index < 0 ? std::to_string(options_.threads) : options_.backend.device->name;
      o.checkpoint = (fs::path(folder_) / fmt::format("{}-{}.h5", network_state, where)).string();
      o.checkpoint_interval = options_.checkpoint_interval;
      o.resume = fs::exists(o.checkpoint);
    }
    const auto r = refine(
        pattern_, o,
        [&](const RefineProgress& p) {
          const double share = static_cast<double>(p.epoch) / static_cast<double>(std::max<Index>(1, p.epochs));
          progress_({p.handing_over ? "the network learns the crystal" : "the network fits the pattern", share, best_.score,
                     since(started_)});
        },
        stop_);
    if (!r.failure.empty()) fails(r.failure);
    if (r.curves.at("chi2").value.empty()) return;  // interrupted while it learned
    consider("the network, from the best so far", r.object, begin);
    const auto drawn = centred(r.object);
    if (over() || !drawn) return;
    begin = Clock::now();
    IterateOptions i;
    i.recipe = parse_recipe(pattern_.partially_coherent() ? blurred_last_recipe : last_recipe);
    i.seed = options_.seed;
    i.starts = 1;
    i.threads = options_.threads;
    i.backend = pattern_.partially_coherent() ? cpu() : options_.backend;
    i.shrinks = false;
    begin_with(i, *drawn);
    const auto projected = iterate(
        pattern_, i, [](const IterateProgress&) {}, stop_);
    if (!projected.failure.empty()) fails(projected.failure);
    consider("projections, from the network's crystal", projected.object, begin);
  }

  void polish_voxels(const char* whose, const Volume<Complex>& object) {
    if (over()) return;
    const auto begin = Clock::now();
    Context<float> context(options_.backend, options_.threads);
    const FitProblem problem(context, pattern_, free_, FitInput::logarithm);
    progress_({"the single voxels are polished", 0, best_.score, since(started_)});
    PolishOptions polishing;
    polishing.time_limit = left();
    const auto polished = polish(context, problem, object, polishing, stop_);
    consider(fmt::format("{}, polished for {} steps", whose, polished.steps), polished.object, begin);
  }

  /// Fits of nearly uniform density from these objects; of each strength of the prior the likeliest is kept.
  void make_uniform(const std::vector<Volume<Complex>>& from, double share) {
    if (over(share)) return;
    const auto begin = Clock::now();
    Context<float> context(options_.backend, options_.threads);
    for (std::size_t k = 0; k < from.size(); ++k) {
      UniformDensityOptions o;
      o.time_limit = left(share);
      o.fits_coherence = pattern_.partially_coherent();
      const auto progress = [&](double done) {
        progress_({"nearly uniform density", (static_cast<double>(k) + done) / static_cast<double>(from.size()), best_.score,
                   since(started_)});
      };
      const auto fits = fit_uniform_density(context, pattern_, free_, from[k], o, progress, stop_);
      uniform_.resize(std::max(uniform_.size(), fits.size()));
      for (std::size_t i = 0; i < fits.size(); ++i)
        if (uniform_[i].object.empty() || fits[i].loss < uniform_[i].loss) uniform_[i] = fits[i];
    }
    for (const auto& fit : uniform_) offer(describe(fit), fit.object, fit.coherence);
    if (uniform_.empty()) return;
    const auto chosen = preferred();
    const auto& shown = chosen ? *chosen->fit : uniform_.front();
    consider(describe(shown), shown.object, begin, shown.coherence);
  }

  static std::string describe(const UniformDensityFit& fit) {
    return fmt::format("nearly uniform density, prior {:g}", fit.strength);
  }

  struct Preferred {
    const UniformDensityFit* fit;
    Difference more;  ///< free LLK than the smallest
  };
  /// The crystal of the strongest prior which the held-out voxels do not tell from the best of all, at two standard errors: where they
  /// are indifferent the simpler crystal is preferred, as what it lacks is mostly noise (docs/phase.md).
  std::optional<Preferred> preferred() const {
    if (uniform_.empty()) return std::nullopt;
    const auto intensity = [&](const Volume<Complex>& o, const std::array<double, 3>& coherence) {
      return calculated_intensity(o, pattern_under(coherence), free_, options_.threads);
    };
    const auto best = intensity(best_.object, best_.coherence);
    for (auto fit = uniform_.rbegin(); fit != uniform_.rend(); ++fit) {
      const Difference more = free_llk_difference(intensity(fit->object, fit->coherence), best, pattern_, free_);
      if (more.mean <= 2 * more.standard_error) return Preferred{&*fit, more};
    }
    return std::nullopt;
  }

  Phased conclude(const std::vector<Member>& ended) {
    double prior = 0;
    if (const auto chosen = preferred()) {
      prior = chosen->fit->strength;
      if (chosen->more.mean > 0)
        best_.what = fmt::format("{}; the smallest free llk, {:.4g}, is {:.4f} +- {:.4f} less", describe(*chosen->fit), best_.score,
                                 chosen->more.mean, chosen->more.standard_error);
      best_.object = chosen->fit->object;
      best_.coherence = chosen->fit->coherence;
    }
    pattern_.coherence = best_.coherence;
    Reconstruction r = agreement(pattern_, free_, ended, {.reference = best_.object, .threads = options_.threads});
    r.object = best_.object;
    judge_object(r, free_, options_.threads);
    r.metrics["density_prior"] = prior;
    enter_coherence(r);
    for (const auto& fit : uniform_) {
      auto& curve = r.curves["uniform_density_free_llk"];
      curve.epoch.push_back(fit.strength);
      curve.value.push_back(misfit(fit.object, pattern_under(fit.coherence), free_, options_.threads));
    }
    r.metrics["searched"] = static_cast<double>(searched_);
    r.metrics["seconds"] = since(started_);
    r.configuration = {{"method", "phase"},
                       {"kept", best_.what},
                       {"search_recipe", search_recipe},
                       {"finish_recipe", pattern_.partially_coherent() ? partially_coherent_recipe : finish_recipe},
                       {"seed", std::to_string(options_.seed)},
                       {"time_limit", fmt::format("{}", options_.time_limit)},
                       {"threads", std::to_string(options_.threads)}};
    r.device = device_;
    r.start_time = start_time_;
    r.failure = failure_;
    done_.kept = best_.what;
    done_.verdict = verdict(r);
    r.configuration["verdict"] = done_.verdict;
    done_.result = std::move(r);
    return std::move(done_);
  }

  void enter_coherence(Reconstruction& r) const {
    constexpr const char* axes[] = {"d", "h", "w"};
    const Extent& e = pattern_.intensity.extent;
    const auto voxel = pattern_.geometry.voxel_size(e);
    for (std::size_t k = 0; k < 3; ++k) {
      const double width = pattern_.coherence[k];
      r.metrics[fmt::format("coherence_width_{}", axes[k])] = width;
      if (width > 0 && voxel)
        r.metrics[fmt::format("coherence_length_{}", axes[k])] =
            static_cast<double>(e[k]) * (*voxel)[k] / (2 * std::numbers::pi * width);
    }
    r.metrics["coherence_gain"] = coherence_gain_.mean;
    r.metrics["coherence_gain_error"] = coherence_gain_.standard_error;
  }

  static std::string verdict(const Reconstruction& r) {
    const auto error = r.metrics.find("agreement_error");
    if (error == r.metrics.end()) return "how sure: unknown, only one start came to its end";
    const char* words = error->second < 0.1 ? "sure: the best starts show the same crystal"
                        : error->second < 0.3
                            ? "fairly sure: the best starts differ in detail"
                            : "not sure: the best starts show different crystals; look at the spread before believing any";
    return fmt::format("how sure: {} (they differ by {:.3f})", words, error->second);
  }

  Pattern pattern_;  ///< with the illumination that was found
  const PhaseOptions& options_;
  const std::function<void(const PhaseProgress&)>& progress_;
  const std::atomic<int>& stop_;
  Mask free_;
  std::string fingerprint_;  ///< what must be equal for a start in the folder to be taken
  std::string folder_;
  std::mutex mutex_;  ///< of best_, while starts run
  Candidate best_;
  Index searched_ = 0;
  Difference coherence_gain_;  ///< of free LLK by partial coherence, kept or not
  std::vector<UniformDensityFit> uniform_;  ///< of each strength the likeliest
  Phased done_;
  Clock::time_point started_ = Clock::now();
  std::string start_time_ = utc_now(), device_ = options_.backend.name();  // of a device that has failed nothing can be asked
  std::string failure_;  ///< why a device did not get further
};

}  // namespace

Phased phase(const Pattern& pattern, const PhaseOptions& options, const std::function<void(const PhaseProgress&)>& progress,
             const std::atomic<int>& stop) {
  return Phasing(pattern, options, progress, stop).run();
}

void remove_phase_folder(const std::string& folder) {
  std::error_code ignored;
  for (const char* part : {search_folder, coherent_folder, blurred_folder, finish_folder})
    fs::remove_all(fs::path(folder) / part, ignored);
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end; it.increment(ignored))
    if (it->path().filename().string().starts_with(network_state)) fs::remove(it->path(), ignored);
  fs::remove(folder, ignored);  // only when it is empty
}

}  // namespace fringe

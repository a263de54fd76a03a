#include "apps/phasing/ensemble.h"

#include <algorithm>
#include <filesystem>
#include <mutex>

#include "apps/io/cxi.h"
#include "apps/phasing/outcome.h"
#include "apps/phasing/parallel.h"

namespace fringe {
namespace {

namespace fs = std::filesystem;
constexpr const char* fingerprint_key = "ensemble";

class Ensemble {
 public:
  Ensemble(const EnsembleOptions& options, const RunStart& run, const std::function<void(const EnsembleProgress&)>& progress,
           const std::atomic<int>& stop)
      : options_(options),
        run_(run),
        progress_(progress),
        stop_(stop),
        at_once_(options.side_by_side ? static_cast<int>(std::min<Index>(options.threads, options.starts)) : 1),
        rank_(options.ranks != nullptr ? options.ranks->rank() : 0),
        rank_count_(options.ranks != nullptr ? options.ranks->size() : 1),
        shares_(static_cast<std::size_t>(options.starts)),
        members_(shares_.size()),
        failures_(shares_.size()) {
    require(options.starts >= 1, "ensemble: at least one start is needed");
    require(rank_count_ == 1 || !options.folder.empty(), "ensemble: {} ranks need a folder to meet in", rank_count_);
  }

  EnsembleRun run() {
    if (rank_ == 0) make_folder();
    meet();
    find_finished();
    meet();
    std::vector<Index> missing;
    Index place = 0;
    for (Index n = 0; n < options_.starts; ++n)
      if (!members_[static_cast<std::size_t>(n)] && place++ % rank_count_ == rank_) missing.push_back(n);
    cared_for_ = static_cast<Index>(missing.size()) + finished();
    share_before_ = share();
    parallel_items(static_cast<Index>(missing.size()), at_once_, [&](Index i) { one(missing[static_cast<std::size_t>(i)]); });
    meet();
    if (rank_ == 0 && rank_count_ > 1) find_finished();
    EnsembleRun result;
    for (auto& m : members_)
      if (m) result.members.push_back(std::move(*m));
    for (auto& f : failures_)
      if (!f.empty()) result.failures.push_back(std::move(f));
    return result;
  }

 private:
  std::string path(const char* kind, Index number, const char* extension) const {
    return (fs::path(options_.folder) / fmt::format("{}-{:04}.{}", kind, number, extension)).string();
  }

  /// Waits until all ranks are here.
  void meet() const {
    double nothing = 0;
    if (options_.ranks != nullptr) options_.ranks->sum(std::span(&nothing, 1));
  }

  void make_folder() const {
    if (options_.folder.empty()) return;
    std::error_code error;
    fs::create_directories(options_.folder, error);
    require(!error, "{}: cannot make this folder: {}", options_.folder, error.message());
    // What a killed run was writing.
    for (const auto& entry : fs::directory_iterator(options_.folder))
      if (entry.path().extension() == ".partial") fs::remove(entry.path(), error);
  }

  void find_finished() {
    if (options_.folder.empty()) return;
    for (Index n = 0; n < options_.starts; ++n) {
      const auto file = path("start", n, "cxi");
      if (members_[static_cast<std::size_t>(n)] || !fs::exists(file)) continue;
      auto r = io::read_reconstruction(file);
      require(
          r.configuration[fingerprint_key] == options_.fingerprint,
          "{}: is a start on another pattern or with other options:\n  there {}\n  here  {}\nname another output or folder, or "
          "delete this one",
          file, r.configuration[fingerprint_key], options_.fingerprint);
      enter(n, r);
      forget_state(n);  // a run that was killed just after it had written the result left it
    }
  }

  void forget_state(Index number) const {
    std::error_code ignored;
    fs::remove(path("running", number, "h5"), ignored);
  }

  void enter(Index number, Reconstruction& r) {
    const auto at = static_cast<std::size_t>(number);
    members_[at] = Member{static_cast<std::uint64_t>(r.metrics.at("best_seed")), std::move(r.object), r.metrics};
    shares_[at] = 1;
    const double score = members_[at]->score();
    if (!(score >= best_)) best_ = score;
  }

  void one(Index number) {
    if (stop_ != 0) return;
    StartJob job{number, std::max(1, options_.threads / at_once_), {}, false, [&](double share) { report(number, share); }};
    if (!options_.folder.empty() && at_once_ == 1) {
      job.checkpoint = path("running", number, "h5");
      job.resume = fs::exists(job.checkpoint);
    }
    Reconstruction r;
    try {
      r = run_(job);
      require(r.failure.empty(), "{}", r.failure);
    } catch (const Error& e) {
      const std::lock_guard lock(mutex_);
      failures_[static_cast<std::size_t>(number)] = fmt::format("start {}: {}", number, e.what());
      return;
    }
    if (stop_ != 0) return;  // perhaps it was cut short
    {
      const std::lock_guard lock(mutex_);  // HDF5 is for one thread at a time
      if (!options_.folder.empty()) {
        r.configuration[fingerprint_key] = options_.fingerprint;
        io::write_reconstruction(path("start", number, "cxi"), r);
        forget_state(number);
      }
      enter(number, r);
    }
    report(number, 1);
  }

  double share() const {
    double sum = 0;
    for (const double s : shares_) sum += s;
    return sum / static_cast<double>(cared_for_);
  }

  Index finished() const { return std::count_if(members_.begin(), members_.end(), [](const auto& m) { return m.has_value(); }); }

  void report(Index number, double share_of_start) {
    const std::lock_guard lock(mutex_);
    shares_[static_cast<std::size_t>(number)] = share_of_start;
    EnsembleProgress p{finished(), cared_for_, share(), best_, since(started_), 0};
    p.seconds_left = p.share > share_before_ ? p.seconds * (1 - p.share) / (p.share - share_before_) : 0;
    progress_(p);
  }

  const EnsembleOptions& options_;
  const RunStart& run_;
  const std::function<void(const EnsembleProgress&)>& progress_;
  const std::atomic<int>& stop_;
  int at_once_, rank_, rank_count_;
  Index cared_for_ = 1;  ///< starts that were there, and this rank's
  std::mutex mutex_;  ///< guards all below
  std::vector<double> shares_;
  std::vector<std::optional<Member>> members_;
  std::vector<std::string> failures_;
  double best_ = std::numeric_limits<double>::quiet_NaN(), share_before_ = 0;
  Clock::time_point started_ = Clock::now();
};

}  // namespace

EnsembleRun run_starts(const EnsembleOptions& options, const RunStart& run,
                       const std::function<void(const EnsembleProgress&)>& progress, const std::atomic<int>& stop) {
  return Ensemble(options, run, progress, stop).run();
}

}  // namespace fringe

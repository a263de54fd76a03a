#include "apps/phasing/ensemble.h"

#include <algorithm>
#include <numeric>

#include "apps/cli/agreement.h"
#include "apps/cli/iterate.h"
#include "apps/cli/progress.h"
#include "apps/cli/refine.h"
#include "apps/cli/result.h"
#include "apps/io/cxi.h"
#include "apps/phasing/outcome.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

enum class Retrieval { refine, iterate };
const std::map<std::string, Retrieval> method_names{{"refine", Retrieval::refine}, {"iterate", Retrieval::iterate}};

struct Options {
  std::string input;
  std::vector<std::string> outputs;
  Retrieval method = Retrieval::iterate;
  IterateSettings iterate;
  RefineSettings refine;
  EnsembleOptions ensemble;
  AgreementOptions agreement;
  double free_fraction = 0.05;
  CLI::App* command = nullptr;
};

double share(Index done, Index all) { return static_cast<double>(done) / static_cast<double>(std::max<Index>(1, all)); }

/// The options of one start.
template <class Settings>
Settings of_one(Settings options, const StartJob& job) {
  options.starts = 1;
  options.first_start = job.number;
  options.threads = job.threads;
  options.checkpoint = job.checkpoint;
  options.resume = job.resume;
  return options;
}

RunStart iterate_starts(const Pattern& pattern, const IterateOptions& options) {
  return [&](const StartJob& job) {
    const IterateOptions o = of_one(options, job);
    auto r = fringe::iterate(
        pattern, o, [&](const IterateProgress& p) { job.progress(share(p.iteration, p.iterations)); }, stop_signal);
    r.configuration = configuration_of(o);
    return r;
  };
}

RunStart refine_starts(const Pattern& pattern, const RefineOptions& options) {
  return [&](const StartJob& job) {
    RefineOptions o = of_one(options, job);
    o.checkpoint_interval = 20;
    auto r = fringe::refine(
        pattern, o, [&](const RefineProgress& p) { job.progress(p.handing_over ? 0 : share(p.epoch, p.epochs)); }, stop_signal);
    r.configuration = configuration_of(o);
    return r;
  };
}

/// What must be equal for a finished start to belong to this ensemble.
std::string fingerprint(const Pattern& pattern, const std::map<std::string, std::string>& configuration,
                        const Volume<Complex>& start) {
  std::complex<double> object = 0;
  for (const auto& v : start.data) object += std::complex<double>(v);
  std::string text = fmt::format("{} start {} {}", signature(pattern), object.real(), object.imag());
  // The sums of the network's gradients depend on the number of threads, projections do not.
  for (const auto& [name, value] : configuration)
    if (name != "starts" && name != "seeds" && (name != "threads" || configuration.contains("epochs")))
      text += fmt::format(", {} {}", name, value);
  return text;
}

void print_starts(const Reconstruction& r) {
  const auto column = [&](const char* name) -> const std::vector<double>* {
    const auto found = r.curves.find(name);
    return found == r.curves.end() ? nullptr : &found->second.value;
  };
  const auto &kept = r.curves.at("start_kept"), &errors = r.curves.at("start_error");
  const auto *chi2 = column("start_chi2"), *pearson = column("start_pearson"), *free = column("start_free_llk"),
             *truth = column("start_true_error");
  std::vector<std::size_t> order(kept.value.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto& rank = free != nullptr ? *free : *chi2;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank[a] < rank[b]; });
  fmt::print("  seed        chi2         r    free llk  {}to the best\n", truth != nullptr ? "true error  " : "");
  for (const std::size_t k : order) {
    fmt::print("{:6.0f}  {:10.4e}  {:.6f}  {:>10}  ", kept.epoch[k], (*chi2)[k], (*pearson)[k],
               free != nullptr ? fmt::format("{:.4g}", (*free)[k]) : "-");
    if (truth != nullptr) fmt::print("{:10.4f}  ", (*truth)[k]);
    fmt::print("{:11.4f}{}\n", errors.value[k], kept.value[k] != 0 ? "" : "  outlier");
  }
}

int ensemble(Options& o, const Common& given) {
  const Ranks ranks;
  const bool first = ranks.rank() == 0;
  Common common = given;
  common.quiet = given.quiet || !first;
  if (first) require_writable_outputs(o.outputs, common);
  const Pattern pattern = io::read_pattern(o.input);
  auto& e = o.ensemble;
  e.ranks = &ranks;
  e.threads = thread_count(common);
  e.side_by_side = o.method == Retrieval::iterate;
  if (e.folder.empty()) e.folder = o.outputs.front() + ".starts";
  RunStart run;
  std::map<std::string, std::string> configuration;
  if (o.method == Retrieval::iterate) {
    auto& options = o.iterate.options;
    load_iterate_files(o.iterate, pattern.intensity.extent);
    options.seed = common.seed;
    options.free_fraction = o.free_fraction;
    run = iterate_starts(pattern, options);
    configuration = configuration_of(options);
    e.fingerprint = fingerprint(pattern, configuration, options.object);
  } else {
    auto& options = o.refine.options;
    options.backend = chosen_backend(common);
    load_refine_files(*o.command, o.refine, pattern.intensity.extent);
    options.seed = common.seed;
    options.free_fraction = o.free_fraction;
    run = refine_starts(pattern, options);
    configuration = configuration_of(options);
    e.fingerprint = fingerprint(pattern, configuration, options.object);
  }

  watch_signals();
  const auto started = Clock::now();
  const auto start_time = utc_now();
  EnsembleRun done;
  {
    ProgressLine line(common.quiet);
    done = run_starts(
        e, run,
        [&](const EnsembleProgress& p) {
          line.show(fmt::format("starts done {}/{}  {:.1f} %  best free llk {:.4g}  {} left", p.done, p.starts, 100 * p.share,
                                p.best, duration(p.seconds_left)),
                    p.done == p.starts);
        },
        stop_signal);
  }
  for (const auto& failure : done.failures) fmt::print(stderr, "fringe: warning: left out: {}\n", failure);
  if (!first) return exit_code();
  if (done.members.empty() && stop_signal != 0) {
    fmt::print(stderr, "fringe: interrupted before a start had ended: nothing to write yet; the same command goes on\n");
    return 128 + stop_signal;
  }
  require(!done.members.empty(), "ensemble: no start came to its end: {}",
          done.failures.empty() ? "the other ranks say why" : done.failures.front());
  const Mask free = o.free_fraction > 0
                        ? make_free_mask(common.seed, pattern.intensity.extent, pattern.mask, {.fraction = o.free_fraction})
                        : Mask{};
  o.agreement.threads = e.threads;
  auto r = agreement(pattern, free, done.members, o.agreement);
  r.metrics["seconds"] = since(started);
  r.start_time = start_time;
  r.configuration = std::move(configuration);
  r.configuration["method"] = o.method == Retrieval::iterate ? "iterate" : "refine";
  r.configuration["starts"] = std::to_string(e.starts);
  r.configuration["reject"] = fmt::format("{}", o.agreement.deviations);
  r.configuration["folder"] = e.folder;
  if (ranks.size() > 1) r.configuration["ranks"] = std::to_string(ranks.size());
  const std::string failures = write_outputs(r, o.input, o.outputs, common);
  if (!common.quiet) {
    print_starts(r);
    fmt::print("\nthe average\n");
    print_metrics(r);
    print_agreement(r);
    fmt::print("{} of {} starts in {}; each is in {}\nwritten     {}\n", done.members.size(), e.starts,
               duration(r.metrics.at("seconds")), e.folder, fmt::join(o.outputs, ", "));
  }
  require(failures.empty(), "{}", failures);
  return exit_code();
}

}  // namespace

void add_ensemble(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("ensemble", "many starts of refine or iterate: their average, and how sure it is");
  auto o = std::make_shared<Options>();
  o->command = c;
  add_pattern_and_outputs(*c, o->input, o->outputs);
  c->add_option("--starts", o->ensemble.starts,
                "starts, of seeds --seed, --seed + 1, ...; more of them later go on from those that are there")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  c->add_option("--method", o->method, "iterate (projections) or refine (the untrained network)")
      ->transform(CLI::CheckedTransformer(method_names))
      ->option_text("NAME=iterate");
  c->add_option("--folder", o->ensemble.folder, "of the starts' results (default: the first output's name and .starts)")
      ->type_name("DIR");
  c->add_option("--reject", o->agreement.deviations,
                "leave out starts whose free LLK is above the median by so many standard deviations (1.4826 * median "
                "deviation), 0: none")
      ->capture_default_str()
      ->check(not_negative());
  c->add_option("--modes", o->agreement.modes, "eigenmodes to write")->capture_default_str()->check(CLI::Range(1, 1000));
  c->add_option("--free-fraction", o->free_fraction, "share of the voxels held out of the fit, for free LLK")
      ->capture_default_str()
      ->check(between(0, 0.4));
  const std::string network = "The network, with --method refine (more options: fringe refine)";
  auto& fit = o->refine.options.fit;
  c->add_option("--epochs", fit.epochs, "epochs of each start")
      ->capture_default_str()
      ->check(positive())
      ->group(network);
  c->add_option("--width", fit.network.width, "channels of the network's first block")
      ->capture_default_str()
      ->check(CLI::Range(1, 512))
      ->group(network);
  c->add_option("--model", o->refine.options.model, "start from the weights in this file instead of random ones")
      ->type_name("FILE")
      ->group(network);
  add_iterate_settings(*c, o->iterate);
  add_device_options(*c, common);
  add_common_options(*c, common);
  c->callback([o, &common, &action] {
    complete_iterate_settings(*o->command, o->iterate);
    o->refine.paper = o->iterate.paper;
    o->refine.start = o->iterate.start;
    complete_refine_settings(*o->command, o->refine);
    action = [o, &common] { return ensemble(*o, common); };
  });
}

}  // namespace fringe::cli

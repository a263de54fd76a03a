#include "apps/cli/iterate.h"

#include <algorithm>
#include <numbers>

#include "apps/cli/progress.h"
#include "apps/cli/result.h"
#include "apps/io/cxi.h"
#include "apps/io/start_file.h"
#include "apps/phasing/median.h"
#include "apps/phasing/starting_object.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string input, time;
  std::vector<std::string> outputs;
  IterateSettings settings;
  CLI::App* command = nullptr;
};

template <class Enum>
std::string name_in(const std::map<std::string, Enum>& names, Enum value) {
  for (const auto& [text, v] : names)
    if (v == value) return text;
  return "?";
}

const std::map<std::string, ThresholdOf> threshold_names{
    {"max", ThresholdOf::maximum}, {"rms", ThresholdOf::rms}, {"level", ThresholdOf::level}};
const std::map<std::string, CoherenceModel> coherence_names{
    {"full", CoherenceModel::full}, {"gaussian", CoherenceModel::gaussian}, {"lucy", CoherenceModel::lucy}};

/// "A,B" as two numbers.
std::array<double, 2> two_numbers(const std::string& option, const std::string& text) {
  std::array<double, 2> values{};
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lf,%lf%c", &values[0], &values[1], &rest) != 2)
    throw CLI::ValidationError(option, fmt::format("'{}' is not two numbers with a comma between", text));
  return values;
}

/// Partial coherence is the CPU's: a GPU is taken for it only where one was asked for, to be refused.
Backend backend_for(const IterateOptions& options, const Common& common) {
  const bool asked = !common.device.empty() && common.device != "auto";
  return options.coherence == CoherenceModel::full || asked ? chosen_backend(common, false) : Backend{};
}

int iterate(Options& o, const Common& common) {
  auto& options = o.settings.options;
  require_writable_outputs(o.outputs, common);
  if (!options.checkpoint.empty()) hdf5::require_writable(options.checkpoint);
  const Pattern pattern = io::read_pattern(o.input);
  load_iterate_files(o.settings, pattern.intensity.extent);
  options.seed = common.seed;
  options.threads = thread_count(common);
  options.resume = resumes(options.resume, options.checkpoint, common.quiet);
  options.backend = backend_for(options, common);
  watch_signals();
  Reconstruction r;
  {
    ProgressLine line(common.quiet);
    r = fringe::iterate(
        pattern, options,
        [&](const IterateProgress& p) {
          line.show(fmt::format("starts done {}/{}  iteration {}/{}  chi2 {:.3e}  best free llk {:.4g}  {:.1f} iterations/s  {} left",
                                p.starts_done, p.starts, p.iteration, p.iterations, p.chi2, p.best, p.iterations_per_second,
                                duration(p.seconds_left)),
                    p.iteration == p.iterations);
        },
        stop_signal);
  }
  r.configuration = configuration_of(options);
  if (!o.settings.start.empty()) r.configuration["start"] = o.settings.start;
  const std::string failures = write_outputs(r, o.input, o.outputs, common);
  if (!common.quiet) {
    print_metrics(r);
    const auto& m = r.metrics;
    fmt::print("support     {:.0f} voxels\n", m.at("support_voxels"));
    if (m.contains("coherence_width")) fmt::print("coherence   kernel {:.3f} voxels wide (rms)\n", m.at("coherence_width"));
    const auto& scores = r.curves.at("start_free_llk").value;
    if (scores.size() > 1) {
      const auto [least, most] = std::minmax_element(scores.begin(), scores.end());
      fmt::print("starts      free llk {:.4g} to {:.4g}, median {:.4g}\n", *least, *most, median(scores));
    }
    fmt::print("{:.0f} iterations in {}, best of {} starts: seed {:.0f}\nwritten     {}\n", m.at("epochs"), duration(m.at("seconds")),
               m.at("starts"), m.at("best_seed"), fmt::join(o.outputs, ", "));
  }
  require(failures.empty(), "{}", failures);
  return exit_code();
}

}  // namespace

void add_iterate_settings(CLI::App& c, IterateSettings& s) {
  auto& o = s.options;
  s.recipe = text_of(o.recipe);
  c.add_option("--recipe", s.recipe, "algorithms in turn, as 50*ER+19*(50*HIO+50*ER): ER, HIO, RAAR, DM, SF, CF, ML")
      ->capture_default_str();
  c.add_flag("--paper", s.paper, "the recipe of Wu et al. 2021: 2000 iterations of ER and HIO from the half array");
  c.add_option("--support", s.support, "to begin with: autocorrelation, box (the half array), or a file with an object")
      ->option_text("WHAT=autocorrelation");
  c.add_option("--start", s.start, "begin with the object in this file instead of random phases, its support included")->type_name("FILE");
  const std::string expert = "Recipe (the defaults are measured: docs/iterative.md)";
  const auto add = [&](auto name, auto& value, const std::string& text) {
    return c.add_option(name, value, text)->capture_default_str()->group(expert);
  };
  add("--beta", o.step.beta, "of HIO, RAAR and DM")->check(between(0.01, 2));
  c.add_flag_callback("--no-shrink-wrap", [&o] { o.shrinks = false; }, "keep the first support")->group(expert);
  s.threshold = fmt::format("{},{}", o.shrink_wrap.threshold, o.shrink_wrap.last_threshold);
  add("--threshold", s.threshold, "of shrink-wrap; LOW,HIGH spreads the starts from one to the other")->type_name("A[,B]");
  c.add_option("--threshold-of", o.shrink_wrap.of, "what the threshold is a share of: max, rms (in the support), level (density)")
      ->transform(CLI::CheckedTransformer(threshold_names))
      ->option_text("NAME=" + name_in(threshold_names, o.shrink_wrap.of))
      ->group(expert);
  add("--sigma", o.shrink_wrap.sigma, "of shrink-wrap's Gaussian at first [voxels]")->check(between(0, 20));
  add("--last-sigma", o.shrink_wrap.last_sigma, "of shrink-wrap's Gaussian at last [voxels]")->check(between(0.01, 20));
  add("--sigma-decay", o.shrink_wrap.decay, "share of the shrink-wraps over which sigma falls")->check(between(0, 1));
  add("--shrink-start", o.shrink_wrap.start, "iteration of the first shrink-wrap")->check(not_negative());
  add("--shrink-step", o.shrink_wrap.step, "iterations between shrink-wraps")->check(positive());
  add("--shrink-stop", o.shrink_wrap.stop, "no shrink-wrap from this iteration on; 0: in the recipe's last block")
      ->check(not_negative());
  add("--least-area", o.shrink_wrap.least, "the support has at least this share of the pattern's voxels")->check(between(0, 1));
  add("--most-area", o.shrink_wrap.most, "the support has at most this share of the pattern's voxels")->check(between(0, 1));
  c.add_option("--phase-range", s.phase_range, "LOW,HIGH [rad]: phases allowed about the mean one")->type_name("A,B")->group(expert);
  c.add_option("--detwin", s.detwin, "ITERATION,LENGTH: use half of the support for a while, to decide between the twins")
      ->type_name("A,B")
      ->group(expert);
  add("--low-resolution", o.low_resolution, "share of the resolution to begin with, 1: all")->check(between(0.02, 1));
  add("--low-resolution-end", o.low_resolution_end, "share of the run after which all resolution is used")->check(between(0, 1));
  c.add_option("--coherence", o.coherence,
               fmt::format("of the illumination: full, gaussian (widths fitted), lucy (free kernel, Richardson-Lucy); without ML, "
                           "by default {}",
                           partially_coherent_recipe))
      ->transform(CLI::CheckedTransformer(coherence_names))
      ->option_text("NAME=full")
      ->group(expert);
  add("--coherence-width", o.coherence_width, "of the kernel to begin with [voxels]")->check(between(0, 3));
  add("--charge-threshold", o.step.charge_threshold, "of CF, in root mean squares of the density")->check(positive());
}

void complete_iterate_settings(const CLI::App& command, IterateSettings& s) {
  auto& o = s.options;
  if (s.paper) use_paper_recipe(o);
  if (!given(command, "--recipe") && o.coherence != CoherenceModel::full) s.recipe = partially_coherent_recipe;
  if (given(command, "--recipe") || !s.paper) {
    try {
      o.recipe = parse_recipe(s.recipe);
    } catch (const Error& e) {
      throw CLI::ValidationError("--recipe", e.what());
    }
  }
  if (s.support == "box")
    o.first_support = FirstSupport::box;
  else if (s.support == "autocorrelation" || (s.support.empty() && s.start.empty() && !s.paper))
    o.first_support = FirstSupport::autocorrelation;
  else if (!s.support.empty() || !s.start.empty())
    o.first_support = FirstSupport::given;
  if (given(command, "--threshold") || !s.paper) {
    const bool one = s.threshold.find(',') == std::string::npos;
    const auto [low, high] = two_numbers("--threshold", one ? s.threshold + "," + s.threshold : s.threshold);
    if (!(low > 0) || !(high >= low)) throw CLI::ValidationError("--threshold", "must be more than 0, and LOW at most HIGH");
    o.shrink_wrap.threshold = low;
    o.shrink_wrap.last_threshold = high;
  }
  if (!s.phase_range.empty()) {
    const auto range = two_numbers("--phase-range", s.phase_range);
    if (!(range[0] < range[1]) || range[1] - range[0] > 2 * std::numbers::pi)
      throw CLI::ValidationError("--phase-range", "LOW must be below HIGH, by at most 2 pi");
    o.step.phase_range = range;
  }
  if (!s.detwin.empty()) {
    const auto numbers = two_numbers("--detwin", s.detwin);
    if (numbers[0] < 1 || numbers[1] < 1) throw CLI::ValidationError("--detwin", "both numbers must be at least 1");
    o.detwin = static_cast<Index>(numbers[0]);
    o.detwin_length = static_cast<Index>(numbers[1]);
  }
}

void load_iterate_files(IterateSettings& s, const Extent& pattern) {
  auto& o = s.options;
  const auto read = [&](const std::string& path) { return starting_object(io::read_start(path, pattern), pattern); };
  if (!s.start.empty()) o.object = read(s.start);
  if (o.first_support != FirstSupport::given) return;
  const auto object = s.support.empty() ? o.object : read(s.support);
  o.support = occupied(object);
}

std::map<std::string, std::string> configuration_of(const IterateOptions& o) {
  const auto number = [](auto v) { return fmt::format("{}", v); };
  const auto& s = o.shrink_wrap;
  std::map<std::string, std::string> c{
      {"method", "iterative"},
      {"recipe", text_of(o.recipe)},
      {"beta", number(o.step.beta)},
      {"charge_threshold", number(o.step.charge_threshold)},
      {"support", o.first_support == FirstSupport::box      ? "box"
                  : o.first_support == FirstSupport::given ? "given"
                                                           : "autocorrelation"},
      {"shrink_wrap", o.shrinks ? "yes" : "no"},
      {"threshold", fmt::format("{},{}", s.threshold, s.last_threshold)},
      {"threshold_of", name_in(threshold_names, s.of)},
      {"sigma", number(s.sigma)},
      {"last_sigma", number(s.last_sigma)},
      {"sigma_decay", number(s.decay)},
      {"shrink_start", number(s.start)},
      {"shrink_step", number(s.step)},
      {"shrink_stop", number(s.stop)},
      {"least_area", number(s.least)},
      {"most_area", number(s.most)},
      {"detwin", fmt::format("{},{}", o.detwin, o.detwin_length)},
      {"low_resolution", number(o.low_resolution)},
      {"low_resolution_end", number(o.low_resolution_end)},
      {"coherence", name_in(coherence_names, o.coherence)},
      {"starts", number(o.starts)},
      {"seed", number(o.seed)},
      {"free_fraction", number(o.free_fraction)},
      {"time_limit", number(o.time_limit)},
      {"threads", number(o.threads)}};
  if (o.step.phase_range) c["phase_range"] = fmt::format("{},{}", (*o.step.phase_range)[0], (*o.step.phase_range)[1]);
  return c;
}

void add_iterate(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("iterate", "retrieve the crystal by projections: ER, HIO and their relatives, with shrink-wrap");
  auto o = std::make_shared<Options>();
  o->command = c;
  auto& options = o->settings.options;
  add_pattern_and_outputs(*c, o->input, o->outputs);
  c->add_option("--starts", options.starts, "random starts, one for each core at a time; the one of smallest free LLK is the result")
      ->capture_default_str()
      ->check(CLI::Range(1, 100000));
  c->add_option("--time", o->time, "time for everything: 90, 90s, 2m, 1h; as many starts as fit")->type_name("TIME");
  add_checkpoint_options(*c, options.checkpoint, options.checkpoint_interval, options.resume);
  c->add_option("--free-fraction", options.free_fraction, "share of the voxels held out of the fit, for free LLK")
      ->capture_default_str()
      ->check(between(0, 0.4));
  add_iterate_settings(*c, o->settings);
  add_device_option(*c, common, "the projections, but for --coherence");
  add_common_options(*c, common);
  c->callback([o, &common, &action] {
    auto& s = o->settings;
    complete_iterate_settings(*o->command, s);
    if (!o->time.empty()) {
      s.options.time_limit = parse_duration(o->time);
      if (o->command->count("--starts") == 0) s.options.starts = 100000;
    }
    if (!s.start.empty() && o->command->count("--starts") == 0) s.options.starts = 1;
    action = [o, &common] { return iterate(*o, common); };
  });
}

}  // namespace fringe::cli

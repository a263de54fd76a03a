#include "apps/cli/refine.h"

#include <fmt/ranges.h>

#include "apps/cli/coherence.h"
#include "apps/cli/progress.h"
#include "apps/cli/result.h"
#include "apps/io/cxi.h"
#include "apps/io/start_file.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string input;
  std::vector<std::string> outputs;
  RefineSettings settings;
  std::string time;
  bool profile = false;
  std::array<double, 3> coherence{};
  CLI::App* command = nullptr;
};

int refine(Options& o, const Common& common) {
  auto& options = o.settings.options;
  require_writable_outputs(o.outputs, common);
  for (const auto& path : {options.checkpoint, options.save_model})
    if (!path.empty()) hdf5::require_writable(path);
  Pattern pattern = io::read_pattern(o.input);
  pattern.coherence = o.coherence;
  options.seed = common.seed;
  options.threads = thread_count(common);
  options.resume = resumes(options.resume, options.checkpoint, common.quiet);
  options.backend = chosen_backend(common);
  load_refine_files(*o.command, o.settings, pattern.intensity.extent);

  watch_signals();
  Profile profile;
  if (o.profile) options.profile = &profile;
  Reconstruction r;
  {
    ProgressLine line(common.quiet);
    r = fringe::refine(
        pattern, options,
        [&](const RefineProgress& p) {
          if (p.handing_over)
            return line.show(fmt::format("start {}/{}  fitting the network to the given crystal: epoch {}/{}  misfit {:.4f}",
                                         p.start + 1, p.starts, p.epoch, p.epochs, p.chi2));
          line.show(fmt::format("{} {}/{}  epoch {}/{}  chi2 {:.3e}  r {:.5f}  {:.1f} epochs/s  {} left",
                                p.chosen ? "best start" : "start", p.start + 1, p.starts, p.epoch, p.epochs, p.chi2, p.pearson,
                                p.epochs_per_second, duration(p.seconds_left)),
                    p.epoch == p.epochs);
        },
        stop_signal);
  }
  r.configuration = configuration_of(options);
  if (!o.settings.start.empty()) r.configuration["start"] = o.settings.start;
  if (pattern.partially_coherent()) r.configuration["coherence"] = fmt::format("{}", fmt::join(o.coherence, ","));
  const std::string failures = write_outputs(r, o.input, o.outputs, common);
  if (!common.quiet) {
    const auto& m = r.metrics;
    print_metrics(r);
    if (m.contains("given_free_llk"))
      fmt::print("start       free llk {:.4g}; the network came within {:.1f} % of it in {:.0f} epochs\n",
                 m.at("given_free_llk"), 100 * m.at("hand_over_misfit"), m.at("hand_over_epochs"));
    if (m.contains("polish_steps") && m.at("polish_steps") == 0)
      fmt::print("polish      left as the network drew it: the free LLK got no better\n");
    else if (m.contains("polish_steps"))
      fmt::print("polish      {:.0f} steps\n", m.at("polish_steps"));
    fmt::print("{:.0f} epochs in {}, best of {} starts: seed {:.0f}\nwritten     {}\n", m.at("epochs"),
               duration(m.at("seconds")), options.starts, m.at("best_seed"), fmt::join(o.outputs, ", "));
  }
  if (o.profile) fmt::print("\n{}", profile.table(r.metrics.at("seconds"), std::max(1.0, r.metrics.at("epochs"))));
  require(failures.empty(), "{}", failures);
  return exit_code();
}

}  // namespace

void complete_refine_settings(const CLI::App& command, RefineSettings& s) {
  if (!s.paper) return;
  auto& f = s.options.fit;
  f.loss = FitLoss::paper;
  f.input = FitInput::amplitude;
  f.prior.weight = 0;
  f.initial_phase = 0;
  if (!given(command, "--rate")) f.schedule.rate = 0.006;
  f.network.phase_head = PhaseHead::relu;
  if (!given(command, "--width")) f.network.width = 32;
  if (!given(command, "--schedule")) f.schedule = {.schedule = Schedule::alternating, .rate = f.schedule.rate};
  if (!given(command, "--seeds")) s.options.starts = 1;
  s.options.polish = false;
}

void load_refine_files(const CLI::App& command, RefineSettings& s, const Extent& pattern) {
  auto& o = s.options;
  if (!o.model.empty()) {
    const auto checkpoint = Checkpoint::load(o.model);
    const auto trained = NetworkOptions::load(checkpoint);
    o.fit.input = model_input(checkpoint);
    require(!given(command, "--width") || trained.width == o.fit.network.width, "{}: the model has width {}, --width says {}",
            o.model, trained.width, o.fit.network.width);
    require(s.levels == 0 || trained.levels == s.levels, "{}: the model has {} levels, --levels says {}", o.model,
            trained.levels, s.levels);
    o.fit.network = trained;
  } else {
    o.fit.network.levels = s.levels > 0 ? s.levels : default_levels(pattern);
  }
  if (o.model.empty() && s.start.empty()) return;
  const RefineOptions asked = o;
  if (!s.start.empty()) start_from(o, io::read_start(s.start, pattern));
  // What was learned, or found, is the start: no random phase on top of it.
  o.fit.initial_phase = given(command, "--initial-phase") ? asked.fit.initial_phase : 0;
  o.starts = given(command, "--seeds") ? asked.starts : 1;
  if (given(command, "--epochs")) o.fit.epochs = asked.fit.epochs;
  if (given(command, "--rate") || s.paper) o.fit.schedule.rate = asked.fit.schedule.rate;
}

std::map<std::string, std::string> configuration_of(const RefineOptions& o) {
  const auto& f = o.fit;
  const auto number = [](double v) { return fmt::format("{}", v); };
  return {{"width", number(static_cast<double>(f.network.width))},
          {"levels", number(static_cast<double>(f.network.levels))},
          {"slope", number(f.network.slope)},
          {"batch_norm", f.network.batch_norm ? "yes" : "no"},
          {"separable", f.network.separable ? "yes" : "no"},
          {"phase_head", f.network.phase_head == PhaseHead::tanh ? "tanh" : "relu"},
          {"loss", f.loss == FitLoss::logarithmic ? "logarithmic" : "paper"},
          {"network_input", name(f.input)},
          {"schedule", name(f.schedule.schedule)},
          {"rate", number(f.schedule.rate)},
          {"epochs", number(static_cast<double>(f.epochs))},
          {"density_prior", number(f.prior.weight)},
          {"initial_phase", number(f.initial_phase)},
          {"seeds", number(static_cast<double>(o.starts))},
          {"trial", number(o.trial)},
          {"seed", std::to_string(o.seed)},
          {"free_fraction", number(o.free_fraction)},
          {"time_limit", number(o.time_limit)},
          {"threads", number(o.threads)},
          {"upsampling", f.network.upsampling == Upsampling::nearest ? "nearest" : "trilinear"},
          {"precision", precision_name(o.backend.precision)},
          {"float32_from", number(o.backend.precision == Precision::bfloat16 ? f.float32_from : 0)},
          {"polish", o.polish ? "yes" : "no"},
          {"model", o.model},
          {"start_epochs", number(static_cast<double>(o.hand_over.epochs))}};
}

void add_refine(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("refine", "retrieve the crystal from one pattern with an untrained (or trained) network");
  auto o = std::make_shared<Options>();
  o->command = c;
  auto& r = o->settings.options;
  auto& f = r.fit;
  add_pattern_and_outputs(*c, o->input, o->outputs);
  c->add_option("--seeds", r.starts, "random starts; after a trial the one of smallest free LLK goes on")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  c->add_option("--epochs", f.epochs, "epochs of a whole run")->capture_default_str()->check(positive());
  c->add_option("--time", o->time, "time for everything: 90, 90s, 2m, 1h; cuts the number of epochs to fit")->type_name("TIME");
  c->add_option("--width", f.network.width, "channels of the network's first block")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  c->add_option("--model", r.model, "start from the weights in this file instead of random ones")->type_name("FILE");
  c->add_option(
       "--start", o->settings.start,
       "result of iterate, refine or PyNX: the network is fitted to it first; then --epochs 800, --rate 0.0005 unless given")
      ->type_name("FILE");
  c->add_option("--save-model", r.save_model, "write the best start's weights to this file")->type_name("FILE");
  add_checkpoint_options(*c, r.checkpoint, r.checkpoint_interval, r.resume);
  add_coherence_option(*c, o->coherence,
                       "partial coherence, as `phase` finds it: rms width of the Gaussian that blurs the pattern [voxels of Q] (one "
                       "number: along all axes)");
  c->add_flag("--profile", o->profile, "print where the time went, kernel by kernel");
  c->add_flag("--paper", o->settings.paper,
              "the recipe of Wu et al. 2021 instead of ours: its loss, ADAM and SGD by turns, one start");

  const std::string expert = "Recipe (the defaults are measured: docs/recipe.md)";
  const auto add = [&](auto name, auto& value, const std::string& text) {
    return c->add_option(name, value, text)->capture_default_str()->group(expert);
  };
  const auto off = [&](auto name, bool& value, const std::string& text) {
    c->add_flag_callback(
         name, [&value] { value = false; }, text)
        ->group(expert);
  };
  add("--rate", f.schedule.rate, "learning rate")->check(positive());
  c->add_option("--schedule", f.schedule.schedule, "of the learning rate: constant, cosine, step, alternating")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Schedule>{{"constant", Schedule::constant},
                                                                          {"cosine", Schedule::cosine},
                                                                          {"step", Schedule::step},
                                                                          {"alternating", Schedule::alternating}}))
      ->option_text("NAME=" + name(f.schedule.schedule))
      ->group(expert);
  add("--density-prior", f.prior.weight, "weight of the uniform-density prior, 0 for none")->check(not_negative());
  add("--initial-phase", f.initial_phase, "random smooth phase every start begins with, root mean square [rad]")
      ->check(not_negative());
  add("--start-epochs", r.hand_over.epochs, "most epochs spent on the crystal of --start")->check(CLI::Range(1, 100000));
  add("--trial", r.trial, "share of the epochs after which the best start is chosen")->check(between(0.01, 1));
  add("--free-fraction", r.free_fraction, "share of the voxels held out of the fit, for free LLK")->check(between(0, 0.4));
  c->add_option("--levels", o->settings.levels, "poolings of the network (default: 4, less for small patterns)")
      ->check(CLI::Range(1, 8))
      ->group(expert);
  add("--slope", f.network.slope, "of LeakyReLU")->check(between(0, 0.99));
  off("--no-batch-norm", f.network.batch_norm, "leave BatchNorm out");
  off("--no-separable", f.network.separable, "leave the separable half of every block out");
  c->add_option("--upsampling", f.network.upsampling, "of the decoders: nearest, trilinear")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Upsampling>{{"nearest", Upsampling::nearest}, {"trilinear", Upsampling::trilinear}}))
      ->option_text("NAME=nearest")
      ->group(expert);
  off("--unfused", f.network.fused, "one operation at a time, as defined: slower, the oracle of the fused ones");
  add("--float32-from", f.float32_from, "with --precision bf16: share of the epochs after which a run goes on in float32")
      ->check(CLI::Range(0.0, 1.0));
  off("--no-polish", r.polish, "leave out the final fit of the single voxels");
  off("--no-plateau", r.stop_on_plateau, "do not stop when the fit no longer gets better");
  add_device_options(*c, common);
  add_common_options(*c, common);
  c->callback([o, &common, &action] {
    auto& options = o->settings.options;
    if (!o->time.empty()) options.time_limit = parse_duration(o->time);
    complete_refine_settings(*o->command, o->settings);
    action = [o, &common] { return refine(*o, common); };
  });
}

}  // namespace fringe::cli

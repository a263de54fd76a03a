#include "apps/phasing/refine.h"

#include "apps/cli/commands.h"
#include "apps/cli/progress.h"
#include "apps/cli/result.h"
#include "apps/io/cxi.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string input;
  std::vector<std::string> outputs;
  RefineOptions refine;
  Index levels = 0;  // 0: from the extent
  std::string time;
  bool paper = false;
  bool profile = false;
  CLI::App* command = nullptr;

  bool given(const char* option) const { return command->count(option) > 0; }
};

/// The paper's own recipe (SCIENCE of Wu et al. 2021, Methods): one start, its loss, ADAM and SGD by turns.
void apply_paper(Options& o) {
  auto& f = o.refine.fit;
  f.loss = FitLoss::paper;
  f.input = FitInput::amplitude;
  f.prior.weight = 0;
  f.initial_phase = 0;
  if (!o.given("--rate")) f.schedule.rate = 0.006;
  f.network.phase_head = PhaseHead::relu;
  if (!o.given("--width")) f.network.width = 32;
  if (!o.given("--schedule")) f.schedule = {.schedule = Schedule::alternating, .rate = f.schedule.rate};
  if (!o.given("--seeds")) o.refine.starts = 1;
  o.refine.polish = false;
}

std::map<std::string, std::string> configuration(const RefineOptions& o) {
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
          {"polish", o.polish ? "yes" : "no"},
          {"model", o.model}};
}

int refine(Options& o, const Common& common) {
  require_writable_outputs(o.outputs, common);
  for (const auto& path : {o.refine.checkpoint, o.refine.save_model})
    if (!path.empty()) hdf5::require_writable(path);
  const Pattern pattern = io::read_pattern(o.input);
  o.refine.seed = common.seed;
  o.refine.threads = thread_count(common);
  if (!o.refine.model.empty()) {
    const auto checkpoint = Checkpoint::load(o.refine.model);
    const auto trained = NetworkOptions::load(checkpoint);
    o.refine.fit.input = model_input(checkpoint);
    // What was learned is the start: no random phase on top of it.
    if (!o.given("--initial-phase")) o.refine.fit.initial_phase = 0;
    if (!o.given("--seeds")) o.refine.starts = 1;
    require(!o.given("--width") || trained.width == o.refine.fit.network.width,
            "{}: the model has width {}, --width says {}", o.refine.model, trained.width, o.refine.fit.network.width);
    require(o.levels == 0 || trained.levels == o.levels, "{}: the model has {} levels, --levels says {}", o.refine.model,
            trained.levels, o.levels);
    o.refine.fit.network = trained;
  } else {
    o.refine.fit.network.levels = o.levels > 0 ? o.levels : default_levels(pattern.intensity.extent);
  }

  watch_signals();
  Profile profile;
  if (o.profile) o.refine.profile = &profile;
  Reconstruction r;
  {
    ProgressLine line(common.quiet);
    r = fringe::refine(
        pattern, o.refine,
        [&](const RefineProgress& p) {
          line.show(fmt::format("{} {}/{}  epoch {}/{}  chi2 {:.3e}  r {:.5f}  {:.1f} epochs/s  {} left",
                                p.chosen ? "best start" : "start", p.start + 1, p.starts, p.epoch, p.epochs, p.chi2,
                                p.pearson, p.epochs_per_second, duration(p.seconds_left)),
                    p.epoch == p.epochs);
        },
        stop_signal);
  }
  r.configuration = configuration(o.refine);
  const std::string failures = write_outputs(r, o.input, o.outputs, common);
  if (!common.quiet) {
    const auto& m = r.metrics;
    print_metrics(r);
    if (m.contains("polish_steps") && m.at("polish_steps") == 0)
      fmt::print("polish      left as the network drew it: the free LLK got no better\n");
    else if (m.contains("polish_steps"))
      fmt::print("polish      {:.0f} steps\n", m.at("polish_steps"));
    fmt::print("{:.0f} epochs in {}, best of {} starts: seed {:.0f}\nwritten     {}\n", m.at("epochs"),
               duration(m.at("seconds")), o.refine.starts, m.at("best_seed"), fmt::join(o.outputs, ", "));
  }
  if (o.profile) fmt::print("\n{}", profile.table(r.metrics.at("seconds"), std::max(1.0, r.metrics.at("epochs"))));
  require(failures.empty(), "{}", failures);
  return stop_signal == 0 ? 0 : 128 + stop_signal;
}

}  // namespace

void add_refine(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("refine", "retrieve the crystal from one pattern with an untrained (or trained) network");
  auto o = std::make_shared<Options>();
  o->command = c;
  auto& r = o->refine;
  auto& f = r.fit;
  c->add_option("input", o->input, "CXI file with a pattern, or file.h5:/path/to/array of intensities")
      ->required()
      ->type_name("PATTERN");
  c->add_option("-o,--output", o->outputs, "result: .cxi, or .vti for ParaView; may be given several times")
      ->required()
      ->type_name("FILE");
  c->add_option("--seeds", r.starts, "random starts; after a trial the one of smallest free LLK goes on")
      ->capture_default_str()
      ->check(CLI::Range(1, 10000));
  c->add_option("--epochs", f.epochs, "epochs of a whole run")->capture_default_str()->check(CLI::PositiveNumber);
  c->add_option("--time", o->time, "time for everything: 90, 90s, 2m, 1h; cuts the number of epochs to fit")
      ->type_name("TIME");
  c->add_option("--width", f.network.width, "channels of the network's first block")
      ->capture_default_str()
      ->check(CLI::Range(1, 512));
  c->add_option("--model", r.model, "start from the weights in this file instead of random ones")->type_name("FILE");
  c->add_option("--save-model", r.save_model, "write the best start's weights to this file")->type_name("FILE");
  c->add_option("--checkpoint", r.checkpoint, "write the state to this file every minute and at the end")
      ->type_name("FILE");
  c->add_flag("--resume", r.resume, "go on from --checkpoint, bit for bit as if never interrupted");
  c->add_flag("--profile", o->profile, "print where the time went, kernel by kernel");
  c->add_flag("--paper", o->paper, "the recipe of Wu et al. 2021 instead of ours: its loss, ADAM and SGD by turns, one start");

  const std::string expert = "Recipe (the defaults are measured: docs/recipe.md)";
  const auto add = [&](auto name, auto& value, const std::string& text) {
    return c->add_option(name, value, text)->capture_default_str()->group(expert);
  };
  const auto off = [&](auto name, bool& value, const std::string& text) {
    c->add_flag_callback(name, [&value] { value = false; }, text)->group(expert);
  };
  add("--rate", f.schedule.rate, "learning rate")->check(CLI::PositiveNumber);
  c->add_option("--schedule", f.schedule.schedule, "of the learning rate: constant, cosine, step, alternating")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Schedule>{{"constant", Schedule::constant},
                                                                        {"cosine", Schedule::cosine},
                                                                        {"step", Schedule::step},
                                                                        {"alternating", Schedule::alternating}}))
      ->option_text("NAME=" + name(f.schedule.schedule))
      ->group(expert);
  add("--density-prior", f.prior.weight, "weight of the uniform-density prior, 0 for none")->check(CLI::NonNegativeNumber);
  add("--initial-phase", f.initial_phase, "random smooth phase every start begins with, root mean square [rad]")
      ->check(CLI::NonNegativeNumber);
  add("--trial", r.trial, "share of the epochs after which the best start is chosen")->check(CLI::Range(0.01, 1.0));
  add("--free-fraction", r.free_fraction, "share of the voxels held out of the fit, for free LLK")
      ->check(CLI::Range(0.0, 0.4));
  c->add_option("--levels", o->levels, "poolings of the network (default: 4, less for small patterns)")
      ->check(CLI::Range(1, 8))
      ->group(expert);
  add("--slope", f.network.slope, "of LeakyReLU")->check(CLI::Range(0.0, 0.99));
  off("--no-batch-norm", f.network.batch_norm, "leave BatchNorm out");
  off("--no-separable", f.network.separable, "leave the separable half of every block out");
  c->add_option("--upsampling", f.network.upsampling, "of the decoders: nearest, trilinear")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Upsampling>{{"nearest", Upsampling::nearest}, {"trilinear", Upsampling::trilinear}}))
      ->option_text("NAME=nearest")
      ->group(expert);
  off("--unfused", f.network.fused, "one operation at a time, as defined: slower, the oracle of the fused ones");
  off("--no-polish", r.polish, "leave out the final fit of the single voxels");
  off("--no-plateau", r.stop_on_plateau, "do not stop when the fit no longer gets better");
  add_common_options(*c, common);
  c->callback([o, &common, &action] {
    if (!o->time.empty()) o->refine.time_limit = parse_duration(o->time);
    if (o->refine.resume && o->refine.checkpoint.empty())
      throw CLI::ValidationError("--resume", "needs --checkpoint FILE to go on from");
    if (o->paper) apply_paper(*o);
    action = [o, &common] { return refine(*o, common); };
  });
}

}  // namespace fringe::cli

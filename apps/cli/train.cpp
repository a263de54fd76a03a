#include "apps/phasing/train.h"

#include <cmath>
#include <fstream>

#include "apps/cli/commands.h"
#include "apps/cli/population.h"
#include "apps/cli/progress.h"
#include "apps/cli/report.h"
#include "apps/cli/result.h"
#include "apps/cli/training_picture.h"
#include "apps/phasing/refine.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string output, last, csv, picture, preset = "tiny", input, loss;
  TrainOptions train;
  Index levels = 0;
  bool paper = false;
  double minutes = 0;
  CLI::App* command = nullptr;

  bool given(const char* option) const { return command->count(option) > 0; }
};

struct Preset {
  const char* name;
  Index size, width, samples, epochs, batch;
};
/// tiny: minutes on two cores; paper: the sizes of Wu et al.
constexpr Preset presets[] = {{"tiny", 32, 8, 4096, 30, 16},
                              {"small", 32, 16, 4096, 60, 16},
                              {"medium", 64, 16, 8192, 60, 16},
                              {"paper", 64, 32, 28500, 100, 32}};

void apply_preset(Options& o) {
  auto& t = o.train;
  for (const Preset& p : presets) {
    if (o.preset != p.name) continue;
    if (!o.given("--size")) t.data.population.crystal.size = p.size;
    if (!o.given("--width")) t.network.width = p.width;
    if (!o.given("--samples")) t.samples = p.samples;
    if (!o.given("--epochs")) t.epochs = p.epochs;
    if (!o.given("--batch")) t.batch = p.batch;
  }
  if (!o.given("--micro-batch")) t.micro_batch = std::min<Index>(t.batch, 16);
}

/// Of a network for measured patterns. Without noise it learns to trust what no measured pattern shows (docs/training.md).
constexpr Range photons_of_training{1e5, 1e9};

/// Eq. 6 and its schedule as published: amplitude in, without noise, both heads ReLU, ADAM and SGD by turns of 25 epochs from 0.01,
/// x0.95.
void apply_paper(Options& o) {
  auto& t = o.train;
  if (!o.given("--input")) t.input = FitInput::amplitude;
  if (!o.given("--loss")) t.weights.term = PhaseTerm::paper;
  if (!o.given("--schedule")) t.schedule.schedule = Schedule::alternating;
  if (!o.given("--rate")) t.schedule.rate = 0.01;
  if (!o.given("--phase-weight")) t.weights.phase = 1;
  if (!o.given("--photons")) t.data.population.photons = {0, 0};
  t.schedule.warm_up = 0;
}

void write_csv(const std::string& path, const TrainResult& r) {
  hdf5::replace_atomically(path, [&](const std::string& temporary) {
    std::ofstream out(temporary);
    out << "epoch,samples,seconds,rate,training_loss,validation_loss,l1,l2,l3,mean,error,phase_correlation\n";
    for (const auto& e : r.epochs) {
      const auto& v = e.validation;
      out << fmt::format("{},{},{:.1f},{:.4g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g},{:.6g}\n", e.epoch,
                         e.samples, e.seconds, e.rate, e.training_loss, v.loss, v.l1, v.l2, v.l3, v.mean(), v.error,
                         v.phase_correlation);
    }
    require(static_cast<bool>(out.flush()), "{}: writing failed, is the disk full?", path);
  });
}

int train_command(Options& o, const Common& common) {
  const Ranks ranks;
  const bool first = ranks.rank() == 0, quiet = common.quiet || !first;
  if (first)
    for (const auto& path : {o.output, o.last, o.csv, o.picture, common.json, o.train.checkpoint})
      if (!path.empty()) hdf5::require_writable(path);
  auto& t = o.train;
  t.seed = t.data.seed = common.seed;
  t.threads = thread_count(common);
  t.resume = resumes(t.resume, t.checkpoint, quiet);
  Common said_once = common;
  said_once.quiet = quiet;
  t.backend = chosen_backend(said_once);
  Extent extent{t.data.population.crystal.size, t.data.population.crystal.size, t.data.population.crystal.size};
  if (!t.data.set.empty()) {
    const io::CrystalSet set(t.data.set);
    const Index size = set.size();
    if (!o.given("--photons") && set.has_patterns() && set.specimen(0).exposure.noise) t.data.noise = false;  // it has its own
    extent = {size, size, size};
    t.data.population.crystal.size = size;
  }
  t.network.levels = o.levels > 0 ? o.levels : default_levels(extent);
  if (t.weights.term == PhaseTerm::paper) t.network.phase_head = PhaseHead::relu;

  watch_signals();
  TrainResult r;
  {
    ProgressLine line(quiet);
    r = train(
        t, ranks,
        [&](const TrainProgress& p) {
          if (p.finished == nullptr) {
            line.show(fmt::format("epoch {}/{}  loss {:.4f}  {:.0f} crystals/s  {} left", p.epoch, p.epochs, p.loss,
                                  p.samples_per_second, duration(p.seconds_left)));
            return;
          }
          const auto& v = p.finished->validation;
          line.show(fmt::format("epoch {}/{}  loss {:.4f}  held out {:.4f} (L1 {:.3f} L2 {:.3f} L3 {:.4f})  phase r "
                                "{:.3f}  {:.0f} crystals/s",
                                p.epoch, p.epochs, p.loss, v.loss, v.l1, v.l2, v.l3, v.phase_correlation,
                                p.samples_per_second),
                    true);
        },
        stop_signal);
  }
  if (!first) return exit_code();

  Attempts attempt;
  if (!r.failure.empty()) attempt([&] { fail("{}; the best model so far is written", r.failure); });
  attempt([&] { r.best.save(o.output); });
  if (!o.last.empty() && r.failure.empty()) attempt([&] { r.last.save(o.last); });
  if (!o.csv.empty()) attempt([&] { write_csv(o.csv, r); });
  if (!o.picture.empty()) attempt([&] { draw_training(o.picture, r); });
  const auto &v = r.best_validation, &m = r.mean_image;
  if (!common.json.empty())
    attempt([&] {
      Report report = make_report(common);
      report.insert_or_assign("device", t.backend.name());
      report.insert("precision", precision_name(common.precision));
      const auto insert = [&](const std::string& prefix, const Validation& w) {
        report.insert(prefix + "loss", w.loss);
        report.insert(prefix + "l1", w.l1);
        report.insert(prefix + "l2", w.l2);
        report.insert(prefix + "l3", w.l3);
        report.insert(prefix + "mean", w.mean());
        report.insert(prefix + "error", w.error);
        report.insert(prefix + "phase_correlation", w.phase_correlation);
      };
      insert("validation_", v);
      insert("mean_image_", m);
      report.insert("best_epoch", r.best_epoch);
      report.insert("epochs", static_cast<Index>(r.epochs.size()));
      report.insert("seconds", r.seconds);
      report.insert("stopped_early", r.stopped_early);
      report.insert("interrupted", stop_signal != 0 || !r.failure.empty());
      if (!r.failure.empty()) report.insert("failure", r.failure);
      report.insert("ranks", ranks.size());
      report.insert("configuration", r.best.text("model.training"));
      write_json(common.json, report);
    });
  if (!quiet) {
    fmt::print("best epoch         {} of {}{}\n", r.best_epoch, r.epochs.size(),
               r.stopped_early ? ", stopped early" : "");
    fmt::print("                   L1 amplitude  L2 phase  L3 diffraction  mean\n");
    fmt::print("held out           {:<12.4f}  {:<8.4f}  {:<14.4f}  {:.4f}\n", v.l1, v.l2, v.l3, v.mean());
    fmt::print("the mean image     {:<12.4f}  {:<8.4f}  {:<14.4f}  {:.4f}\n", m.l1, m.l2, m.l3, m.mean());
    fmt::print(
        "true error         {:.4f}\nphase correlation  {:.4f}   inside the crystal; twin and global phase removed\n",
        v.error, v.phase_correlation);
    fmt::print("{} in {}\nwritten            {}\n",
               r.epochs.size() == 1 ? "1 epoch" : fmt::format("{} epochs", r.epochs.size()), duration(r.seconds),
               o.output);
  }
  require(attempt.failures().empty(), "{}", attempt.failures());
  return exit_code();
}

}  // namespace

void add_train(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("train", "teach a network to draw crystals from their patterns, with simulated ones");
  auto o = std::make_shared<Options>();
  o->command = c;
  auto& t = o->train;
  c->add_option("set", t.data.set,
                "set of `simulate --count`; without one, crystals are drawn as needed and never seen twice")
      ->type_name("SET");
  c->add_option("-o,--output", o->output, "the best model, by its held-out loss (HDF5)")->required()->type_name("FILE");
  c->add_option("--last", o->last, "the last model, too")->type_name("FILE");
  c->add_option("--csv", o->csv, "write the curves to this file")->type_name("FILE");
  c->add_option("--picture", o->picture, "draw curves and four held-out crystals (PNG)")
      ->check(ends_in({".png"}))
      ->type_name("FILE");
  c->add_option("--preset", o->preset, "sizes: tiny (32^3, minutes on two cores), small, medium (64^3), paper")
      ->check(CLI::IsMember({"tiny", "small", "medium", "paper"}))
      ->capture_default_str();
  c->add_flag("--paper", o->paper, "the recipe of Wu et al. 2021: Eq. 6, ADAM and SGD by turns from 0.01");
  c->add_option("--epochs", t.epochs, "epochs")->check(positive());
  c->add_option("--samples", t.samples, "crystals to an epoch, where they are drawn")->check(positive());
  c->add_option("--batch", t.batch, "crystals to a step, over all ranks")->check(CLI::Range(1, 65536));
  c->add_option("--micro-batch", t.micro_batch, "crystals that share BatchNorm's statistics; ranks take turns at them")
      ->check(CLI::Range(1, 4096));
  c->add_option("--width", t.network.width, "channels of the network's first block")->check(CLI::Range(1, 512));
  c->add_option("--minutes", o->minutes, "time for everything; cuts the number of epochs to fit")
      ->check(positive());
  c->add_option("--patience", t.patience, "end after so many epochs without a better held-out loss; 0: never")
      ->capture_default_str();
  add_checkpoint_options(*c, t.checkpoint, t.checkpoint_interval, t.resume);
  const std::string expert = "Recipe (the defaults are measured: docs/training.md)";
  c->add_option_function<std::string>(
       "--input", [&t](const std::string& s) { t.input = parse_fit_input(s); },
       "what the network sees: autocorrelation, logarithm, amplitude")
      ->check(CLI::IsMember({"autocorrelation", "logarithm", "amplitude"}))
      ->group(expert);
  c->add_option_function<std::string>(
       "--loss", [&t](const std::string& s) { t.weights.term = s == "paper" ? PhaseTerm::paper : PhaseTerm::field; },
       "second term: field (of the complex density), paper (of the phase)")
      ->check(CLI::IsMember({"field", "paper"}))
      ->group(expert);
  c->add_option("--amplitude-weight", t.weights.amplitude, "a1 of Eq. 6")
      ->capture_default_str()
      ->check(not_negative())
      ->group(expert);
  c->add_option("--phase-weight", t.weights.phase, "a2")
      ->capture_default_str()
      ->check(not_negative())
      ->group(expert);
  c->add_option("--diffraction-weight", t.weights.diffraction, "a3")
      ->capture_default_str()
      ->check(not_negative())
      ->group(expert);
  c->add_flag_callback(
       "--given-twin", [&t] { t.twin_invariant = false; }, "every crystal's own image is the target, never its twin's")
      ->group(expert);
  c->add_option("--rate", t.schedule.rate, "learning rate")
      ->capture_default_str()
      ->check(positive())
      ->group(expert);
  c->add_option_function<std::string>(
       "--schedule", [&t](const std::string& s) { t.schedule.schedule = parse_schedule(s); },
       "of the learning rate: constant, cosine, step, alternating")
      ->check(CLI::IsMember({"constant", "cosine", "step", "alternating"}))
      ->group(expert);
  c->add_option("--levels", o->levels, "poolings of the network (default: 4, less for small patterns)")
      ->check(CLI::Range(1, 8))
      ->group(expert);
  c->add_flag_callback(
       "--no-augment", [&t] { t.data.augment = false; }, "crystals of a set always in the orientation they have there")
      ->group(expert);
  c->add_option("--validation", t.data.validation_count, "held-out crystals, where they are drawn")
      ->capture_default_str()
      ->check(positive())
      ->group(expert);
  t.data.population.photons = photons_of_training;
  add_population_options(*c, t.data.population, "Crystals, where they are drawn");
  add_device_options(*c, common);
  add_common_options(*c, common);
  c->callback([o, c, &common, &action] {
    apply_preset(*o);
    if (o->paper) apply_paper(*o);
    if (o->train.batch % o->train.micro_batch != 0)
      throw CLI::ValidationError(
          "--micro-batch", fmt::format("{} does not divide the batch of {}", o->train.micro_batch, o->train.batch));
    o->train.time_limit = 60 * o->minutes;
    o->train.data.noise = o->train.data.population.photons.high > 0;
    action = [o, &common] { return train_command(*o, common); };
  });
}

}  // namespace fringe::cli

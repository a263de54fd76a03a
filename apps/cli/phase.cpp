#include "apps/phasing/phase.h"

#include <filesystem>

#include "apps/cli/agreement.h"
#include "apps/cli/progress.h"
#include "apps/cli/result.h"
#include "apps/io/cxi.h"

namespace fringe::cli {
namespace {

struct Options {
  std::string input, time;
  std::vector<std::string> outputs;
  PhaseOptions phase;
};

void print_coherence(const Reconstruction& r) {
  const auto& m = r.metrics;
  const auto gain =
      fmt::format("free llk {:+.3f} +- {:.3f} by partial coherence", -m.at("coherence_gain"), m.at("coherence_gain_error"));
  if (!r.pattern.partially_coherent()) {
    fmt::print("coherence   full, as far as the held-out voxels tell ({})\n", gain);
    return;
  }
  const auto& w = r.pattern.coherence;
  fmt::print("coherence   partial: kernel {:.2f} x {:.2f} x {:.2f} voxels of Q rms ({})\n", w[0], w[1], w[2], gain);
  const auto length = [&](const char* key) {
    const auto found = m.find(key);
    return found == m.end() ? std::string("-") : fmt::format("{:.0f}", found->second * 1e9);
  };
  const auto d = length("coherence_length_d"), h = length("coherence_length_h"), along_w = length("coherence_length_w");
  if (d != "-" || h != "-" || along_w != "-") fmt::print("            coherence lengths {} x {} x {} nm\n", d, h, along_w);
}

int phase(Options& o, const Common& common) {
  require_writable_outputs(o.outputs, common);
  const Pattern pattern = io::read_pattern(o.input);
  o.phase.seed = common.seed;
  o.phase.threads = thread_count(common);
  o.phase.folder = o.outputs.front() + ".phase";
  const bool resumed = o.phase.time_limit == 0 && std::filesystem::exists(o.phase.folder);
  if (resumed && !common.quiet) fmt::print("going on with what is in {}\n", o.phase.folder);
  o.phase.backend = chosen_backend(common);
  watch_signals();
  Phased done;
  {
    ProgressLine line(common.quiet);
    done = fringe::phase(
        pattern, o.phase,
        [&](const PhaseProgress& p) {
          line.show(fmt::format("{}  {:.0f} %  best free llk {:.4g}  {}", p.step, 100 * p.share, p.best, duration(p.seconds)));
        },
        stop_signal);
  }
  auto& r = done.result;
  if (r.object.empty()) {
    fmt::print(stderr, "fringe: interrupted before a start had begun: nothing to write\n");
    return 128 + stop_signal;
  }
  const std::string failures = write_outputs(r, o.input, o.outputs, common);
  if (!common.quiet) {
    for (const auto& step : done.steps)
      fmt::print("{:<42}  free llk {:<9.4g}  {}{}\n", step.what, step.free_llk,
                 step.true_error ? fmt::format("true error {:.4f}  ", *step.true_error) : "", duration(step.seconds));
    fmt::print("result      {}\n\n", done.kept);
    print_metrics(r);
    print_coherence(r);
    print_agreement(r);
    fmt::print("{}\n{} in all\nwritten     {}\n", done.verdict, duration(r.metrics.at("seconds")), fmt::join(o.outputs, ", "));
  }
  require(failures.empty(), "{}", failures);
  if (stop_signal == 0) remove_phase_folder(o.phase.folder);
  return exit_code();
}

}  // namespace

void add_phase(CLI::App& app, Common& common, Action& action) {
  auto* c =
      app.add_subcommand("phase", "retrieve the crystal by the best recipe known (docs/phase.md), and say how sure it is");
  auto o = std::make_shared<Options>();
  add_pattern_and_outputs(*c, o->input, o->outputs);
  c->add_option("--time", o->time,
                "time for everything: 90, 90s, 2m, 1h (default: what it takes, two minutes at 64^3 on two cores)")
      ->type_name("TIME");
  add_device_option(*c, common, "projections, network and polish");
  add_tune_option(*c, common);
  add_common_options(*c, common);
  c->callback([o, &common, &action] {
    if (!o->time.empty()) o->phase.time_limit = parse_duration(o->time);
    action = [o, &common] { return phase(*o, common); };
  });
}

}  // namespace fringe::cli

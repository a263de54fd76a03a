#include "apps/cli/bench_phasing.h"
#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "bench/suite.h"
#include "engine/context.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

struct Options {
  bench::BenchOptions bench;
  std::vector<Index> widths{8, 16, 32}, batches{1};
  Index extent = 64;
  std::string csv;
};

int bench_command(Options o, const Common& common) {
  for (const auto& path : {o.csv, common.json})
    if (!path.empty()) hdf5::require_writable(path);
  o.bench.threads = thread_count(common);
  o.bench.quiet = common.quiet;
  std::vector<bench::NetworkCase> networks;
  for (const Index width : o.widths)
    for (const Index batch : o.batches) networks.push_back({o.extent, width, batch});
  // Unless a device is asked for: the CPU's numbers are compared from run to run.
  const Backend backend = common.device.empty() ? Backend{} : chosen_backend(common, false);
  choose_kernels(backend, common);
  o.bench.precision = bench::bench_precision(o.bench.precision_name, backend);
  if (!common.quiet) fmt::print("{}\n", backend.name());
  bench::Bench bench(backend, o.bench);
  bench::run_all(bench, networks);
  if (!bench.on_host()) bench_phasing(bench, o.extent);
  require(!bench.rows().empty() || bench.failures() > 0, "bench: no operation's name contains '{}'", o.bench.filter);
  if (!o.csv.empty()) bench::write_csv(o.csv, bench, version());
  if (!common.json.empty()) {
    Report report = make_report(common);
    report.insert("precision", o.bench.precision_name);
    report.insert("device", backend.name());
    toml::table seconds;
    for (const auto& row : bench.rows()) seconds.insert(row.operation + " " + row.shape, row.timing.median);
    report.insert("median_seconds", seconds);
    toml::table values;
    for (const auto& [name, number] : bench.values()) values.insert(name, number);
    report.insert("values", values);
    write_json(common.json, report);
  }
  require(bench.failures() == 0, "bench: {} operations differ from the reference", bench.failures());
  return 0;
}

}  // namespace

void add_bench(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("bench", "time every operation and the whole network, beside what this machine could do");
  auto o = std::make_shared<Options>();
  c->add_option("filter", o->bench.filter, "only operations whose name contains this")->type_name("NAME");
  c->add_option("--csv", o->csv, "write the table to this file")->type_name("FILE");
  c->add_flag("--profile", o->bench.profile, "where the time of a training step goes, by kernel");
  c->add_flag("!--unfused", o->bench.fused, "the networks by plain operations, one step each");
  c->add_option("--width", o->widths, "widths of the networks")->capture_default_str()->check(CLI::Range(1, 512));
  c->add_option("--size", o->extent, "extent of the pattern the networks see [voxels]")
      ->capture_default_str()
      ->check(CLI::IsMember({16, 32, 48, 64, 96, 128, 192, 256}));
  c->add_option("--batch", o->batches, "patterns in a batch; several numbers: one after another")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  c->add_option("--seconds", o->bench.seconds, "time each case for at least this long")
      ->capture_default_str()
      ->check(positive());
  c->add_option("--precision", o->bench.precision_name,
                "of the factors in convolutions: float32, bf16; on a GPU, where float32 is made of three products in tf32, also tf32, "
                "or fma: ordinary multiply-adds")
      ->check(CLI::IsMember({"float32", "bf16", "tf32", "fma"}))
      ->option_text("NAME=float32");
  add_device_option(*c, common, "everything", "cpu");
  add_tune_option(*c, common);
  add_common_options(*c, common, false);
  c->callback([o, &common, &action] { action = [o, &common] { return bench_command(*o, common); }; });
}

}  // namespace fringe::cli

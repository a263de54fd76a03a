#include "apps/phasing/predict.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <set>
#include <thread>

#include "apps/cli/commands.h"
#include "apps/cli/report.h"
#include "apps/io/crystal_set.h"
#include "apps/io/cxi.h"
#include "apps/io/hdf5_data.h"
#include "apps/phasing/outcome.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::string model, output, watch;
  std::vector<std::string> inputs;
  double idle = 0;
  bool resume = false;
};

/// With --resume: whether the result is there already, no older than its pattern and the model.
bool is_done(const Options& o, const std::string& input, const std::string& output) {
  if (!o.resume) return false;
  std::error_code missing;
  const auto written = fs::last_write_time(output, missing);
  if (missing) return false;
  const auto older = [&](const std::string& file) {
    std::error_code unknown;
    const auto time = fs::last_write_time(file, unknown);
    return !unknown && time <= written;
  };
  return older(input) && older(o.model);
}

struct Totals {
  struct Sum {
    double value = 0;
    Index count = 0;  ///< patterns that have this quantity: not every one has a true error
    double mean() const { return value / static_cast<double>(count); }
  };
  Index done = 0, failed = 0, there = 0;
  std::map<std::string, Sum> sums;

  void add(const std::string& quantity, double value) {
    sums[quantity].value += value;
    ++sums[quantity].count;
  }
};

/// Reads, predicts, writes, and prints the one line.
void handle(Predictor& predictor, const std::string& name, const Pattern& pattern, const std::string& output,
            const Common& common, Clock::time_point begin, Totals& totals) {
  Reconstruction r = predictor.predict(pattern);
  r.command = common.command_line;
  r.version = version();
  r.device = predictor.device();
  r.configuration["input"] = name;
  r.configuration["precision"] = precision_name(common.precision);
  io::write_reconstruction(output, r);
  const double latency = since(begin), seconds = r.metrics.at("seconds");
  ++totals.done;
  totals.add("network_seconds", seconds);
  totals.add("latency_seconds", latency);
  for (const auto& [quantity, value] : r.metrics)
    if (quantity != "seconds") totals.add(quantity, value);
  if (common.quiet) return;
  const std::string truth =
      r.metrics.contains("true_error") ? fmt::format("  true error {:.4f}", r.metrics.at("true_error")) : "";
  fmt::print("{} -> {}  chi2 {:.4f}  r {:.5f}{}  network {:.1f} ms, in all {:.1f} ms\n", name, output,
             r.metrics.at("chi2"), r.metrics.at("pearson"), truth, 1e3 * seconds, 1e3 * latency);
  std::fflush(stdout);
}

/// The last line, and the report: means over the patterns, which are the numbers themselves where there is one.
void summarise(const Totals& t, const std::string& device, const Common& common) {
  if (!common.quiet && t.there > 0) fmt::print("{} results were there already\n", t.there);
  if (!common.quiet && t.done + t.failed > 1)
    fmt::print("{} patterns, {} set aside; mean latency: network {:.1f} ms, in all {:.1f} ms\n", t.done, t.failed,
               t.done > 0 ? 1e3 * t.sums.at("network_seconds").mean() : 0.0,
               t.done > 0 ? 1e3 * t.sums.at("latency_seconds").mean() : 0.0);
  if (common.json.empty()) return;
  Report r = make_report(common);
  r.insert("precision", precision_name(common.precision));
  r.insert_or_assign("device", device);
  r.insert("patterns", t.done);
  r.insert("set_aside", t.failed);
  r.insert("there_already", t.there);
  for (const auto& [quantity, sum] : t.sums) r.insert(quantity, sum.mean());
  write_json(common.json, r);
}

/// Whether no other pattern will fare better than the one that met this error: the device is gone.
bool ends_everything(const std::exception& e) {
  return dynamic_cast<const DeviceError*>(&e) != nullptr && dynamic_cast<const OutOfMemory*>(&e) == nullptr;
}

/// Every pattern of a set, or one file; a failure of one does not stop the others.
int predict_files(Predictor& predictor, const Options& o, const Common& common) {
  const bool many = o.inputs.size() > 1 || (fs::is_regular_file(o.inputs[0]) && io::is_crystal_set(o.inputs[0]));
  if (many)
    fs::create_directories(o.output);
  else
    hdf5::require_writable(o.output);
  Totals totals;
  std::set<std::string> written;
  const auto attempt = [&](const std::string& name, const std::string& file, const std::string& output, const auto& read) {
    const auto begin = Clock::now();
    require(written.insert(output).second, "{}: {} holds the result of another pattern of that name already", name, output);
    if (is_done(o, file, output)) {
      ++totals.there;
      return;
    }
    if (!many) {
      handle(predictor, name, read(), output, common, begin, totals);
      return;
    }
    try {
      handle(predictor, name, read(), output, common, begin, totals);
    } catch (const std::exception& e) {
      if (ends_everything(e)) throw;
      ++totals.failed;
      fmt::print(stderr, "fringe: error: {}: {}\n", name, e.what());
    }
  };
  for (const auto& input : o.inputs) {
    if (stop_signal != 0) break;
    if (many && fs::is_regular_file(input) && io::is_crystal_set(input)) {
      const io::CrystalSet set(input);
      require(set.has_patterns(), "{}: the set has no patterns, only objects", input);
      for (Index i = 0; i < set.count() && stop_signal == 0; ++i)
        attempt(fmt::format("{}[{}]", input, i), input,
                (fs::path(o.output) / fmt::format("{}-{:06}.cxi", fs::path(input).stem().string(), i)).string(), [&] {
                  Pattern p;
                  p.intensity = set.intensity(i);
                  p.truth = set.object(i);
                  return p;
                });
      continue;
    }
    const std::string file = io::split_path(input).first, name = fs::path(file).stem().string() + ".cxi";
    attempt(input, file, many ? (fs::path(o.output) / name).string() : o.output, [&] { return io::read_pattern(input); });
  }
  summarise(totals, predictor.device(), common);
  if (stop_signal != 0) return 128 + stop_signal;
  require(totals.failed == 0, "predict: {} of {} patterns could not be read or drawn", totals.failed,
          totals.done + totals.failed);
  return 0;
}

/// Looks every quarter second for files that are new and no longer grow. What could not be used is moved to
/// DIR/set-aside (or, where that is not allowed, remembered), so that memory holds one pattern and the names of a
/// folder's files, no more.
int watch(Predictor& predictor, const Options& o, const Common& common) {
  require(fs::is_directory(o.watch), "{}: no such folder", o.watch);
  fs::create_directories(o.output);
  require(!fs::equivalent(o.watch, o.output),
          "predict: results into the folder that is watched would be taken for patterns");
  std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> seen;
  std::map<std::string, std::pair<std::uintmax_t, fs::file_time_type>> done;
  Totals totals;
  auto last_new = Clock::now();
  bool settled = false;  // no file is new or has changed since the look before
  while (stop_signal == 0 && (o.idle <= 0 || !settled || since(last_new) < o.idle)) {
    decltype(seen) now;
    std::error_code error;
    for (fs::directory_iterator it(o.watch, error), end; !error && it != end; it.increment(error)) {
      const auto extension = it->path().extension();
      if (extension != ".cxi" && extension != ".h5" && extension != ".hdf5") continue;
      std::error_code gone;
      const auto size = fs::file_size(it->path(), gone);
      const auto time = fs::last_write_time(it->path(), gone);
      if (!gone) now[it->path().string()] = {size, time};
    }
    std::erase_if(done, [&](const auto& entry) { return !now.contains(entry.first); });
    const auto rests = [&](const auto& entry) {
      const auto before = seen.find(entry.first);
      return before != seen.end() && before->second == entry.second;
    };
    settled = std::all_of(now.begin(), now.end(), rests);
    // A file that still grows keeps the watch awake, however short --idle is.
    if (!settled) last_new = Clock::now();
    for (const auto& entry : now) {
      if (stop_signal != 0) break;
      const auto& [path, state] = entry;
      const auto handled = done.find(path);
      if (!rests(entry) || (handled != done.end() && handled->second == state)) continue;
      done[path] = state;
      const std::string name = fs::path(path).filename().string();
      const std::string output = (fs::path(o.output) / (fs::path(path).stem().string() + ".cxi")).string();
      if (is_done(o, path, output)) {
        ++totals.there;
        continue;
      }
      const auto begin = Clock::now();
      try {
        handle(predictor, name, io::read_pattern(path), output, common, begin, totals);
      } catch (const std::exception& e) {
        if (ends_everything(e)) throw;
        ++totals.failed;
        const fs::path aside = fs::path(o.watch) / "set-aside";
        std::error_code refused;
        fs::create_directories(aside, refused);
        if (!refused) fs::rename(path, aside / name, refused);
        fmt::print(stderr, "fringe: {} {}: {}\n", name, refused ? "left where it is" : "set aside", e.what());
      }
      last_new = Clock::now();
    }
    seen = std::move(now);
    std::this_thread::sleep_for(std::chrono::milliseconds(250));
  }
  summarise(totals, predictor.device(), common);
  return exit_code();
}

int predict_command(const Options& o, const Common& common) {
  if (!common.json.empty()) hdf5::require_writable(common.json);
  Predictor predictor(o.model, thread_count(common), chosen_backend(common));
  watch_signals();
  return o.watch.empty() ? predict_files(predictor, o, common) : watch(predictor, o, common);
}

}  // namespace

void add_predict(CLI::App& app, Common& common, Action& action) {
  auto* c = app.add_subcommand("predict", "draw crystals with a trained network, in one pass each");
  auto o = std::make_shared<Options>();
  c->add_option("model", o->model, "model of `train`")->required()->type_name("MODEL");
  c->add_option("patterns", o->inputs, "CXI files, or a set of `simulate --count`")->type_name("PATTERN");
  c->add_option("-o,--output", o->output, "result (CXI); a folder for several patterns")
      ->required()
      ->type_name("FILE|DIR");
  c->add_option("--watch", o->watch, "handle the .cxi and .h5 files that appear in this folder, until Ctrl-C")
      ->type_name("DIR");
  c->add_option("--idle", o->idle, "end --watch when no file has come, grown or been drawn for so long [s]")->check(positive());
  c->add_flag("--resume", o->resume,
              "leave out patterns whose result is there, no older than pattern and model: for a run that was stopped");
  add_device_options(*c, common);
  add_common_options(*c, common, false);
  c->callback([o, &common, &action] {
    if (o->watch.empty() == o->inputs.empty())
      throw CLI::ValidationError("predict", "needs patterns, or --watch DIR, and not both");
    action = [o, &common] { return predict_command(*o, common); };
  });
}

}  // namespace fringe::cli

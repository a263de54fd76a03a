#include "apps/cli/result.h"

#include <filesystem>

#include "apps/cli/report.h"
#include "apps/io/cxi.h"
#include "apps/io/vti.h"
#include "engine/device.h"
#include "engine/hdf5.h"

namespace fringe::cli {

void add_pattern_and_outputs(CLI::App& command, std::string& input, std::vector<std::string>& outputs) {
  command.add_option("input", input, "CXI file with a pattern, or file.h5:/path/to/array of intensities")
      ->required()
      ->type_name("PATTERN");
  command.add_option("-o,--output", outputs, "result: .cxi, or .vti for ParaView; may be given several times")
      ->required()
      ->check(ends_in({".cxi", ".h5", ".hdf5", ".vti"}))
      ->type_name("FILE");
}

void add_checkpoint_options(CLI::App& command, std::string& checkpoint, double& interval, bool& resume) {
  auto* file = command.add_option("--checkpoint", checkpoint, "write the state to this file as it goes and at the end")
                   ->type_name("FILE");
  command.add_option("--checkpoint-interval", interval, "seconds between two checkpoints")
      ->capture_default_str()
      ->check(not_negative());
  command
      .add_flag(
          "--resume", resume,
          "go on from --checkpoint, bit for bit as if never interrupted; from the beginning where it is not there yet")
      ->needs(file);
}

bool resumes(bool resume, const std::string& checkpoint, bool quiet) {
  if (!resume || std::filesystem::exists(checkpoint)) return resume;
  if (!quiet) fmt::print(stderr, "{} is not there yet: from the beginning\n", checkpoint);
  return false;
}

void require_writable_outputs(const std::vector<std::string>& outputs, const Common& common) {
  for (const auto& path : outputs) hdf5::require_writable(path);
  if (!common.json.empty()) hdf5::require_writable(common.json);
}

std::string write_outputs(Reconstruction& r, const std::string& input, const std::vector<std::string>& outputs,
                          const Common& common) {
  r.command = common.command_line;
  r.version = version();
  r.configuration["input"] = input;
  if (stop_signal != 0) r.configuration["interrupted"] = fmt::format("by signal {}", stop_signal.load());
  if (!r.failure.empty()) r.configuration["interrupted"] = r.failure;
  Attempts attempt;
  if (!r.failure.empty()) attempt([&] { fail("{}; the best result so far is written", r.failure); });
  for (const auto& path : outputs)
    attempt([&] {
      std::filesystem::path(path).extension() == ".vti" ? io::write_vti(path, r) : io::write_reconstruction(path, r);
    });
  if (!common.json.empty())
    attempt([&] {
      Report report = make_report(common);
      if (!r.device.empty()) report.insert_or_assign("device", r.device);
      if (const auto p = r.configuration.find("precision"); p != r.configuration.end()) report.insert("precision", p->second);
      for (const auto& [name, value] : r.metrics) report.insert(name, value);
      // Curves over the starts: what each of them reached.
      for (const auto& [name, curve] : r.curves) {
        if (!name.starts_with("start_")) continue;
        toml::array values;
        for (const double v : curve.value) values.push_back(v);
        report.insert(name, values);
        if (report.contains("start_seed")) continue;
        toml::array seeds;
        for (const double s : curve.epoch) seeds.push_back(static_cast<std::int64_t>(s));
        report.insert("start_seed", seeds);
      }
      toml::table settings;
      for (const auto& [name, value] : r.configuration) settings.insert(name, value);
      report.insert("configuration", settings);
      report.insert("interrupted", stop_signal != 0 || !r.failure.empty());
      if (!r.failure.empty()) report.insert("failure", r.failure);
      write_json(common.json, report);
    });
  return attempt.failures();
}

void print_metrics(const Reconstruction& r) {
  const auto& m = r.metrics;
  fmt::print("chi2        {:.4e}\nr           {:.6f}\nllk         {:.4g}\n", m.at("chi2"), m.at("pearson"), m.at("llk"));
  if (m.contains("free_llk")) fmt::print("free llk    {:.4g}\n", m.at("free_llk"));
  if (m.contains("true_error")) fmt::print("true error  {:.4f}\n", m.at("true_error"));
}

double parse_duration(const std::string& text) {
  std::size_t used = 0;
  double value = 0;
  try {
    value = std::stod(text, &used);
  } catch (const std::exception&) {
    used = 0;
  }
  const std::string unit = text.substr(used);
  const double factor = unit.empty() || unit == "s" ? 1 : unit == "m" || unit == "min" ? 60 : unit == "h" ? 3600 : 0;
  if (used == 0 || factor == 0)
    throw CLI::ValidationError("--time", fmt::format("'{}' is no duration; write 90, 90s, 2m or 1h", text));
  if (!(value > 0)) throw CLI::ValidationError("--time", fmt::format("must be more than 0, not '{}'", text));
  return value * factor;
}

}  // namespace fringe::cli

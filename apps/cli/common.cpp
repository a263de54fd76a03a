#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstdio>
#include <exception>
#include <new>
#include <unistd.h>

#include <fmt/core.h>

#include "apps/cli/commands.h"
#include "engine/device.h"
#include "kernels/error.h"

namespace fringe::cli {

std::atomic<int> stop_signal{0};

void watch_signals() {
  struct sigaction action = {};
  action.sa_handler = [](int signal) {
    if (stop_signal.exchange(signal) != 0) _exit(128 + signal);  // asked twice: at once
  };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

int exit_code() { return stop_signal == 0 ? 0 : 128 + stop_signal; }

bool given(const CLI::App& command, const char* name) {
  const auto* option = command.get_option_no_throw(name);
  return option != nullptr && option->count() > 0;
}

void add_common_options(CLI::App& command, Common& common, bool with_seed) {
  command.add_flag("-q,--quiet", common.quiet, "print errors only");
  command.add_option("--json", common.json, "write a report with every metric, time and setting to this file")
      ->type_name("FILE");
  command.add_option("--threads", common.threads, "CPU threads (default: all cores that this process may use)")->check(CLI::Range(1, 4096));
  if (with_seed)
    command.add_option("--seed", common.seed, "seed of every random number drawn")->capture_default_str();
}

CLI::Option* add_precision_option(CLI::App& command, Precision& precision) {
  return command
      .add_option("--precision", precision,
                  "of the factors in convolutions: float32, or bf16 (sums, weights and losses stay float32)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Precision>{{"float32", Precision::float32}, {"bf16", Precision::bfloat16}}))
      ->option_text("NAME=float32");
}

void add_device_option(CLI::App& command, Common& common, const std::string& what, const std::string& otherwise) {
  const auto check = [](const std::string& text) {
    return is_backend_request(text) ? std::string() : fmt::format("'{}' is not auto, cpu or cuda:K", text);
  };
  command.add_option("--device", common.device, fmt::format("for {}: auto (a GPU that can be used, else the CPU), cpu, cuda:K", what))
      ->check(check)
      ->option_text("NAME=" + otherwise);
}

void add_tune_option(CLI::App& command, Common& common) {
  command.add_flag("--tune", common.tune, "measure again which kernels are the fastest, shape by shape");
}

void add_device_options(CLI::App& command, Common& common) {
  add_device_option(command, common, "the network");
  add_tune_option(command, common);
  add_precision_option(command, common.precision);
}

void choose_kernels(const Backend& backend, const Common& common) {
  if (const std::string warning = fringe::choose_kernels(backend, common.tune); !warning.empty())
    fmt::print(stderr, "fringe: warning: {}\n", warning);
}

Backend chosen_backend(const Common& common, bool runs_network) {
  std::string why_cpu;
  Backend backend = choose_backend(common.device.empty() ? "auto" : common.device, why_cpu);
  backend.precision = common.precision;
  if (!why_cpu.empty() && !common.quiet && (!common.device.empty() || cuda::in_build()))
    fmt::print(stderr, "fringe: no GPU is used, the CPU is: {}\n", why_cpu);
  if (runs_network) choose_kernels(backend, common);
  return backend;
}

int thread_count(const Common& common) { return common.threads > 0 ? common.threads : available_processors(); }

namespace {

/// Says in the command's help, and where a value fails, the same `rule`.
template <class Holds>
CLI::Validator number_rule(const std::string& rule, const std::string& in_help, Holds holds) {
  const auto check = [rule, holds](const std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && holds(value)) return std::string();
    return fmt::format("must be {}, not '{}'", rule, text);
  };
  return {check, in_help};
}

std::vector<std::string> names_of_commands(const CLI::App& app) {
  std::vector<std::string> names;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; })) names.push_back(command->get_name());
  return names;
}

}  // namespace

CLI::Validator positive() {
  return number_rule("more than 0", "POSITIVE", [](double v) { return v > 0; });
}

CLI::Validator not_negative() {
  return number_rule("0 or more", "NONNEGATIVE", [](double v) { return v >= 0; });
}

CLI::Validator between(double least, double most) {
  return number_rule(fmt::format("between {} and {}", least, most), fmt::format("{} - {}", least, most),
                     [=](double v) { return v >= least && v <= most; });
}

CLI::Validator ends_in(std::vector<std::string> endings) {
  const auto check = [endings](const std::string& path) {
    const bool known = std::any_of(endings.begin(), endings.end(), [&](const auto& e) { return path.ends_with(e); });
    return known ? std::string() : fmt::format("must end in {}, not '{}'", fmt::join(endings, " or "), path);
  };
  return {check, ""};
}

int run(int argc, char** argv) {
  CLI::App app{"fringe turns 3-D coherent X-ray diffraction patterns into images of the crystals that made them."};
  app.set_version_flag("--version", "fringe " FRINGE_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 done, 1 bad input, 2 wrong usage, 130 or 143 interrupted (the best result so far is written).");
  Common common;
  for (int i = 0; i < argc; ++i) common.command_line += (i ? " " : "") + std::string(argv[i]);
  Action action;
  add_simulate(app, common, action);
  add_prepare(app, common, action);
  add_phase(app, common, action);
  add_refine(app, common, action);
  add_iterate(app, common, action);
  add_ensemble(app, common, action);
  add_train(app, common, action);
  add_predict(app, common, action);
  add_show(app, common, action);
  add_compare(app, common, action);
  add_lab(app, common, action);
  add_info(app, common, action);
#ifdef FRINGE_HAS_BENCH
  add_bench(app, common, action);
#endif
  if (const auto commands = names_of_commands(app);
      argc > 1 && argv[1][0] != '-' && std::find(commands.begin(), commands.end(), argv[1]) == commands.end()) {
    fmt::print(stderr, "fringe: there is no command '{}'; there are {}\n", argv[1], fmt::join(commands, ", "));
    return 2;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  try {
    return action();
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "fringe: error: out of memory\n");
    return 1;
  } catch (const std::exception& e) {
    std::fflush(stdout);
    std::fprintf(stderr, "fringe: error: %s\n", e.what());
    return 1;
  }
}

}  // namespace fringe::cli

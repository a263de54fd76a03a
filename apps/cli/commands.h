// The subcommands of `fringe` and what they have in common.
#pragma once
#include <CLI/CLI.hpp>
#include <atomic>
#include <cstdint>
#include <fmt/format.h>
#include <functional>
#include <string>

#include "engine/backend.h"

namespace fringe::cli {

/// Options every command accepts where they mean something.
struct Common {
  bool quiet = false;        ///< no progress, no tables; errors only
  std::string json;          ///< report file, empty for none
  int threads = 0;           ///< 0: all cores
  std::uint64_t seed = 1;
  bool tune = false;         ///< measure again which kernels are the fastest
  std::string device;        ///< auto, cpu, cuda:K; empty: auto, and nothing is said in a build that can only be the CPU
  Precision precision = Precision::float32;  ///< of the network's convolutions
  std::string command_line;  ///< as typed, recorded in results
};

/// Adds --quiet, --json, --threads, --seed to a subcommand.
void add_common_options(CLI::App& command, Common& common, bool with_seed = true);

/// Adds --device alone, `what` being what runs there, and `otherwise` where without it.
void add_device_option(CLI::App& command, Common& common, const std::string& what, const std::string& otherwise = "auto");
/// Adds --device, --tune and --precision to a subcommand that runs a network.
void add_device_options(CLI::App& command, Common& common);
CLI::Option* add_precision_option(CLI::App& command, Precision& precision);
void add_tune_option(CLI::App& command, Common& common);
/// What these choose, and for a network the fastest kernels; says on stderr why it is the CPU. Throws Error when a GPU was asked
/// for that cannot be used.
Backend chosen_backend(const Common& common, bool runs_network = true);
/// Where several kernels can do the same, the fastest from now on, measured once and kept in the user's cache; a warning on stderr
/// where it cannot be.
void choose_kernels(const Backend& backend, const Common& common);

/// The number of threads to use: `common.threads`, or all cores when 0.
int thread_count(const Common& common);

/// Set by SIGINT and SIGTERM while a command runs that asked for it with watch_signals().
extern std::atomic<int> stop_signal;
void watch_signals();
/// Of a command that did what it could: 0, or 128 + the signal that cut it short.
int exit_code();

/// Whether an option was given on the command line; false for one that the command does not have.
bool given(const CLI::App& command, const char* name);

// What a number given on the command line must be.
CLI::Validator positive();
CLI::Validator not_negative();
CLI::Validator between(double least, double most);
/// Of a file's name: what is written depends on it.
CLI::Validator ends_in(std::vector<std::string> endings);

/// Runs the program; returns its exit code: 0 done, 1 bad input, 2 wrong usage, 130/143 interrupted.
int run(int argc, char** argv);

// Each subcommand adds itself; `action` is set to what has to run after parsing and returns the exit code.
using Action = std::function<int()>;
#ifdef FRINGE_HAS_BENCH
void add_bench(CLI::App& app, Common& common, Action& action);
#endif
void add_compare(CLI::App& app, Common& common, Action& action);
void add_ensemble(CLI::App& app, Common& common, Action& action);
void add_info(CLI::App& app, Common& common, Action& action);
void add_lab(CLI::App& app, Common& common, Action& action);
void add_iterate(CLI::App& app, Common& common, Action& action);
void add_phase(CLI::App& app, Common& common, Action& action);
void add_predict(CLI::App& app, Common& common, Action& action);
void add_prepare(CLI::App& app, Common& common, Action& action);
void add_refine(CLI::App& app, Common& common, Action& action);
void add_show(CLI::App& app, Common& common, Action& action);
void add_simulate(CLI::App& app, Common& common, Action& action);
void add_train(CLI::App& app, Common& common, Action& action);

}  // namespace fringe::cli

// What the commands that retrieve a crystal have in common: their outputs.
#pragma once
#include <string>
#include <vector>

#include "apps/cli/commands.h"
#include "apps/phasing/pattern.h"
#include "kernels/error.h"

namespace fringe::cli {

/// Steps that are each tried, whatever happens to the others: one output that fails must not lose the rest.
class Attempts {
 public:
  template <class Step>
  void operator()(const Step& step) {
    try {
      step();
    } catch (const Error& e) {
      failures_ += (failures_.empty() ? "" : "; ") + std::string(e.what());
    }
  }
  /// What failed, in words; empty when nothing did.
  const std::string& failures() const { return failures_; }

 private:
  std::string failures_;
};

/// The options of what is read and written: a pattern, and -o for each result.
void add_pattern_and_outputs(CLI::App& command, std::string& input, std::vector<std::string>& outputs);

/// --checkpoint, --checkpoint-interval and --resume.
void add_checkpoint_options(CLI::App& command, std::string& checkpoint, double& interval, bool& resume);

/// What --resume comes to: whether the checkpoint is there. A run that was stopped before it wrote one begins anew, so that one
/// command line serves the first run and all that follow; it says so on stderr.
bool resumes(bool resume, const std::string& checkpoint, bool quiet);

/// Throws Error unless each output, and the report, can be written.
void require_writable_outputs(const std::vector<std::string>& outputs, const Common& common);

/// Writes the result to every output (.vti for ParaView, else CXI) and the report; every one is tried, whatever happens to the
/// others. Returns what failed (the run itself, by r.failure, or an output), in words, empty when nothing did. Fills in command, version, `input` and the interruption.
std::string write_outputs(Reconstruction& result, const std::string& input, const std::vector<std::string>& outputs,
                          const Common& common);

/// chi2, r, llk, free llk, true error: a line each, on standard output.
void print_metrics(const Reconstruction& result);

/// "90", "90s", "2m", "1.5h" in seconds. Throws CLI::ValidationError.
double parse_duration(const std::string& text);

}  // namespace fringe::cli

// The --json report of a command.
#pragma once
#include <string>
#include <toml++/toml.h>

#include "apps/cli/commands.h"

namespace fringe::cli {

/// Keys and values of a report (a TOML table, printed as JSON). The fixed keys: chi2, pearson, llk, free_llk,
/// true_error (simulation only), seconds, epochs, epochs_per_second, device, version, command.
using Report = toml::table;

/// A report with device, version, command, threads and seed.
Report make_report(const Common& common);

/// Writes the report as JSON; numbers that are not finite become null. Throws Error when the file cannot be written.
void write_json(const std::string& path, const Report& report);

}  // namespace fringe::cli

// The options of iterative phasing, shared by `fringe iterate` and `fringe ensemble --method iterate`.
#pragma once
#include <map>
#include <memory>

#include "apps/cli/commands.h"
#include "apps/phasing/iterate.h"

namespace fringe::cli {

struct IterateSettings {
  IterateOptions options;
  std::string recipe, support, threshold, phase_range, detwin, start;
  bool paper = false;
};

/// Adds recipe, support, shrink-wrap, and the rest of what belongs to one start.
void add_iterate_settings(CLI::App& command, IterateSettings& settings);

/// Turns texts and files into options, once all are parsed. `command`: which options were given. Throws CLI::ValidationError
/// for a text that is wrong, Error for a file.
void complete_iterate_settings(const CLI::App& command, IterateSettings& settings);
/// Reads the files that the settings name, for a pattern of this extent.
void load_iterate_files(IterateSettings& settings, const Extent& pattern);

/// Every setting, by name, for results.
std::map<std::string, std::string> configuration_of(const IterateOptions& options);

}  // namespace fringe::cli

// The options of the untrained network, shared by `fringe refine` and `fringe ensemble --method refine`.
#pragma once
#include <map>

#include "apps/cli/commands.h"
#include "apps/phasing/refine.h"

namespace fringe::cli {

struct RefineSettings {
  RefineOptions options;
  Index levels = 0;    ///< of the network; 0: from the extent
  std::string start;   ///< file with an object to start from
  bool paper = false;  ///< the paper's own recipe (Wu et al. 2021, Methods): one start, its loss, ADAM and SGD by turns
};

/// Applies --paper, once all options are parsed; what was given explicitly on `command` stays.
void complete_refine_settings(const CLI::App& command, RefineSettings& settings);
/// Reads model and start, for a pattern of this extent, and chooses what depends on them.
void load_refine_files(const CLI::App& command, RefineSettings& settings, const Extent& pattern);

/// Every setting, by name, for results.
std::map<std::string, std::string> configuration_of(const RefineOptions& options);

}  // namespace fringe::cli

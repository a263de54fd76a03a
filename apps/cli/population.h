// The options of everything that draws crystals: `simulate` and `train`.
#pragma once
#include <map>
#include <string>

#include "apps/cli/commands.h"
#include "apps/phasing/simulate.h"

namespace fringe::cli {

/// --size, --shape, --phase-range, --photons, --semi-axis, ...; each range is LOW,HIGH or one number.
void add_population_options(CLI::App& command, Population& population, const std::string& group);

/// Every parameter by its name: what a set's file and a report say.
std::map<std::string, double> describe_population(const Population& population);

}  // namespace fringe::cli

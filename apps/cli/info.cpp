#include <cstdio>

#include "apps/cli/commands.h"

namespace fringe::cli {

void add_info(CLI::App& app, Common& common, Action& action) {
  auto* command = app.add_subcommand("info", "version, devices, instruction sets, threads, libraries");
  add_common_options(*command, common);
  command->callback([&] {
    action = [] {
      std::printf("fringe %s\n", FRINGE_VERSION);
      return 0;
    };
  });
}

}  // namespace fringe::cli

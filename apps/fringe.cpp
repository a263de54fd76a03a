// The fringe command line: one subcommand per file under apps/cli.
#include "apps/cli/commands.h"

int main(int argc, char** argv) { return fringe::cli::run(argc, argv); }

// The option --coherence: how far the illumination is from coherent.
#pragma once
#include <CLI/CLI.hpp>

#include <array>
#include <string>

namespace fringe::cli {

/// Widths along D, H, W as in Pattern::coherence, given as W (the same along all axes) or D,H,W.
void add_coherence_option(CLI::App& command, std::array<double, 3>& widths, const std::string& what);

}  // namespace fringe::cli

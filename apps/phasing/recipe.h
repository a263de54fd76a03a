// The recipe string of iterative phasing, as users of the field write it: "50*ER+19*(50*HIO+50*ER)".
//
//   recipe = term { "+" term }        term = [ count "*" ] ( name | "(" recipe ")" )
//
// Blanks are ignored, names may be lower case, terms run from left to right.
#pragma once
#include <string>
#include <vector>

#include "kernels/view.h"

namespace fringe {

enum class Algorithm { er, hio, raar, dm, sf, cf, ml };

/// "ER", "HIO", ...
std::string name(Algorithm algorithm);

/// A run of equal iterations.
struct Block {
  Algorithm algorithm = Algorithm::er;
  Index count = 0;
  bool operator==(const Block&) const = default;
};

/// The recipe without brackets, neighbours of the same algorithm joined. Throws Error that shows the character at which the
/// text stops being a recipe; for counts of zero, and more than ten million iterations in all.
std::vector<Block> parse_recipe(const std::string& text);

Index iterations(const std::vector<Block>& recipe);

/// "50*ER+50*HIO+..."
std::string text_of(const std::vector<Block>& recipe);

}  // namespace fringe

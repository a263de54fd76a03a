// The picture of a crystal in the laboratory frame.
#pragma once
#include <string>

#include "apps/phasing/lab.h"

namespace fringe::cli {

/// Three planes through the crystal (amplitude, displacement or phase, strain) and three views of its surface, with scale
/// bars in nanometres. Throws Error when the file cannot be written or the build has no Cairo.
void draw_lab(const LabObject& lab, const std::string& title, const std::string& output);

}  // namespace fringe::cli

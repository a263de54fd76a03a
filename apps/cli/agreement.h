// What is said of the agreement of several starts.
#pragma once
#include "apps/phasing/agreement.h"

namespace fringe::cli {

/// Spread over the starts, weight of the first mode, resolutions: lines on standard output.
void print_agreement(const Reconstruction& result);

/// "12.3 nm" or "2.5 voxels", with a word where the curve never fell that far; `name`: prtf or fsc.
std::string resolution_text(const Reconstruction& result, const std::string& name);

}  // namespace fringe::cli

// A diffractometer described in a TOML file; docs/laboratory-frame.md has the keys, examples/34idc.toml is one.
#pragma once
#include <string>

#include "apps/phasing/geometry.h"

namespace fringe::io {

/// Throws Error, naming file and key, for: no such file; not TOML; a key that is missing, unknown or of another type; numbers
/// that cannot be in the unit the key names; axes and directions that are none.
Diffractometer read_diffractometer(const std::string& path);

}  // namespace fringe::io

// TIFF frames, as areaDetector and others write them.
#pragma once
#include <string>

#include "apps/io/volume.h"

namespace fringe::io {

/// All pages of a TIFF file as (pages, rows, columns): one sample a pixel, integers of 8 to 32 bits or floats. Throws Error
/// for a missing, damaged or truncated file, for colour, for pages of different sizes, and in builds without libtiff.
Volume<float> read_tiff(const std::string& path);

}  // namespace fringe::io

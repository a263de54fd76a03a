// Raw detector frames from whatever they are kept in.
#pragma once
#include <string>
#include <vector>

#include "apps/io/volume.h"

namespace fringe::io {

/// A three-dimensional array (frames, rows, columns) from: one folder (its .tif and .tiff files by name); a list of TIFF
/// files; an .npy file; "file.h5:/path/to/array", or a CXI file. Throws Error, naming the file at fault, for what is missing,
/// damaged, of another rank, or frames of different sizes.
Volume<float> read_frames(const std::vector<std::string>& paths);

/// A two-dimensional array (1, rows, columns), such as a dark or white field or a detector mask; a three-dimensional one
/// for a mask of every frame.
Volume<float> read_field(const std::string& path);

}  // namespace fringe::io

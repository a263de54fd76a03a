// A crystal in a file, to start a retrieval from.
#pragma once
#include <string>

#include "apps/io/volume.h"

namespace fringe::io {

/// The object of a result of fringe, PyNX or whoever writes a complex entry_1/image_1/data (or "file.h5:/path/to/array").
/// Where the file has a support, voxels that neither belong to it nor touch it are taken as empty. Throws Error as
/// read_object() does, and when the file holds a pattern of another extent than `pattern`: its voxels are of another size.
Volume<Complex> read_start(const std::string& path, const Extent& pattern);

}  // namespace fringe::io

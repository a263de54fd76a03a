// CXI files (HDF5): patterns and reconstructions, in the flavour that PyNX writes and its readers, h5py and silx open.
// Conventions: https://github.com/cxidb/CXI (format 1.6); SI units; arrays centred (Q = 0 and the object at N/2).
#pragma once
#include <string>

#include "apps/phasing/pattern.h"

namespace fringe::io {

/// Writes entry_1/instrument_1/detector_1/{data, mask, basis_vectors, ...}, data_1/data as a link; the truth, when there
/// is one, as entry_1/image_1. The file appears under its name only when complete (temporary file, fsync, rename).
void write_pattern(const std::string& path, const Pattern& pattern, const std::string& command);

/// Reads what write_pattern wrote, and CXI patterns by others. `path` may be "file.h5:/path/to/array" for any array of
/// intensities. Throws Error for: no such file; not HDF5; truncated; no such data set (lists what is there); not 3-D;
/// NaN, negative or all-zero intensities; an odd or too small extent.
Pattern read_pattern(const std::string& path);

/// Writes entry_1/image_1/{data complex64, mask, support, ...}, process_1/{command, version, configuration, results},
/// curves, the calculated and the measured intensities.
void write_reconstruction(const std::string& path, const Reconstruction& result);
Reconstruction read_reconstruction(const std::string& path);

/// The complex object in a file of either kind (the truth of a pattern, the object of a reconstruction).
Volume<Complex> read_object(const std::string& path);

/// Throws Error unless a file can be created at `path` now: called before long work starts.
void require_writable(const std::string& path);

/// What a file holds, as text, for `fringe info FILE`.
std::string describe(const std::string& path);

}  // namespace fringe::io

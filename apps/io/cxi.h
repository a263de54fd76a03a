// CXI files (HDF5): patterns and reconstructions, in the flavour that PyNX writes and its readers, h5py and silx open.
// Conventions: https://github.com/cxidb/CXI (format 1.6); SI units; arrays centred (Q = 0 and the object at N/2).
//
//   entry_1/instrument_1/detector_1/{data, mask, distance, x_pixel_size, y_pixel_size}   intensities [photons]; mask bits
//                                  {reciprocal_basis, scattering_vector, binning, origin}  of fringe, see Geometry
//   entry_1/instrument_1/{source_1/energy, beam_1/{incident_energy, incident_wavelength}}
//   entry_1/image_1/{data, support, mask -> support, data_type, data_space, image_size}  object: the truth of a simulated
//                                                                                        pattern, or the reconstruction
//   entry_1/image_2/data                                                                 calculated intensities
//   entry_1/process_1/{program, version, command, configuration/*, results/*, curves/*/{epoch, value}, maps/*, modes/*}
//   entry_1/data_1/data -> what a viewer shows first
#pragma once
#include <string>

#include "apps/phasing/pattern.h"

namespace fringe::io {

/// Writes a pattern, with the truth where there is one. The file appears under its name only when complete.
void write_pattern(const std::string& path, const Pattern& pattern, const std::string& command);

/// Reads what write_pattern or write_reconstruction wrote, and CXI patterns by others. `path` may be
/// "file.h5:/path/to/array" for any array of intensities. Throws Error for: no such file; not HDF5; truncated; no such
/// array (lists what is there); not 3-D; NaN, negative or all-zero intensities; an odd or too small extent.
Pattern read_pattern(const std::string& path);

void write_reconstruction(const std::string& path, const Reconstruction& result);
Reconstruction read_reconstruction(const std::string& path);

/// The complex object in a file of either kind (the truth of a pattern, the object of a reconstruction).
Volume<Complex> read_object(const std::string& path);

/// Whether the file holds a reconstruction (an object with process results).
bool is_reconstruction(const std::string& path);

/// Throws Error unless the pattern can be phased: extents even and at least 8, intensities finite, not negative, not all
/// zero where measured. `name` is what messages call it.
void require_usable(const Pattern& pattern, const std::string& name);

/// What a file holds, as text, for `fringe info FILE`.
std::string describe(const std::string& path);

}  // namespace fringe::io

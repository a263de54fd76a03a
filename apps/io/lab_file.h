// A crystal in the laboratory frame as a CXI file and as VTK image data.
//
//   entry_1/image_1/{data, support, mask -> support, data_type, data_space, image_size, voxel_size, frame, origin}
//                   {phase, displacement, strain, scattering_vector}    with attributes `units`
//   entry_1/instrument_1/detector_1/*, source_1/energy                   geometry of the pattern, see cxi.h
//   entry_1/process_1/{program, version, command, results/*}
//
// Arrays are (z, y, x) in CXI's laboratory frame: z along the beam, y up, x = y cross z.
#pragma once
#include <string>

#include "apps/phasing/lab.h"

namespace fringe::io {

/// What to_laboratory needs of a CXI file with a crystal: a result of fringe or PyNX, or a simulated crystal. Of the pattern
/// only extent and geometry are filled. Without a pattern in the file, its extent is the object's; without a support, it is
/// where the object is not zero. Throws Error.
Reconstruction read_crystal(const std::string& path);

void write_lab(const std::string& path, const LabObject& lab);
LabObject read_lab(const std::string& path);  ///< throws Error
/// Whether the file is one that write_lab wrote; throws Error when it cannot be opened.
bool is_lab(const std::string& path);

/// Point data amplitude, phase [rad], displacement [pm], strain and support; spacing and origin in nm.
void write_lab_vti(const std::string& path, const LabObject& lab);

}  // namespace fringe::io

// VTK ImageData (.vti) for ParaView: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
#pragma once
#include <string>

#include "apps/phasing/pattern.h"

namespace fringe::io {

/// Point data amplitude, phase [rad; 0 outside the support] and support, little-endian binary, appended. x runs along W, y
/// along H, z along D; the spacing is in nm where the voxel size is known, else 1. The file appears when it is complete.
void write_vti(const std::string& path, const Reconstruction& result);

}  // namespace fringe::io

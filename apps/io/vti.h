// VTK ImageData (.vti) for ParaView: https://docs.vtk.org/en/latest/design_documents/VTKFileFormats.html
#pragma once
#include <string>
#include <vector>

#include "apps/phasing/pattern.h"

namespace fringe::io {

/// Named arrays of floats and the support on one grid; x runs along W, y along H, z along D.
struct VtiImage {
  struct Field {
    std::string name;
    std::vector<float> values;
  };
  Extent extent{};
  std::array<double, 3> spacing{1, 1, 1}, origin{0, 0, 0};  ///< along D, H, W
  std::vector<Field> fields;                                ///< the first is what a viewer shows
  std::vector<std::uint8_t> support;                        ///< written behind them
};

/// Little-endian binary, appended. The file appears when it is complete.
void write_vti(const std::string& path, const VtiImage& image);

/// Point data amplitude, phase [rad; 0 outside the support] and support; the spacing is in nm where the voxel size is known,
/// else 1. The voxels of a rocking curve are sheared, which image data cannot say: `fringe lab` makes straight ones.
void write_vti(const std::string& path, const Reconstruction& result);

}  // namespace fringe::io

#include "apps/io/vti.h"

#include <bit>
#include <fstream>

#include "engine/hdf5.h"

namespace fringe::io {

static_assert(std::endian::native == std::endian::little, "write_vti writes the bytes of this machine");

void write_vti(const std::string& path, const Reconstruction& r) {
  const auto& e = r.object.extent;
  std::array<double, 3> spacing{1, 1, 1};
  if (const auto v = r.pattern.geometry.voxel_size(r.pattern.intensity.extent))
    for (int axis = 0; axis < 3; ++axis) spacing[axis] = (*v)[axis] * 1e9;
  const auto count = static_cast<std::size_t>(r.object.size());
  std::vector<float> amplitude(count), phase(count);
  std::vector<std::uint8_t> support(count);
  for (std::size_t i = 0; i < count; ++i) {
    amplitude[i] = std::abs(r.object.data[i]);
    support[i] = r.support.empty() ? amplitude[i] > 0 : r.support.data[i];
    phase[i] = support[i] ? std::arg(r.object.data[i]) : 0;
  }
  const auto bytes = static_cast<std::uint64_t>(count) * 4;
  const std::string extent = fmt::format("0 {} 0 {} 0 {}", e[2] - 1, e[1] - 1, e[0] - 1);
  hdf5::replace_atomically(path, [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << "<?xml version=\"1.0\"?>\n"
           "<VTKFile type=\"ImageData\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n"
        << fmt::format("  <ImageData WholeExtent=\"{}\" Origin=\"0 0 0\" Spacing=\"{} {} {}\">\n", extent, spacing[2],
                       spacing[1], spacing[0])
        << fmt::format("    <Piece Extent=\"{}\">\n      <PointData Scalars=\"amplitude\">\n", extent)
        << fmt::format("        <DataArray type=\"Float32\" Name=\"amplitude\" format=\"appended\" offset=\"0\"/>\n")
        << fmt::format("        <DataArray type=\"Float32\" Name=\"phase\" format=\"appended\" offset=\"{}\"/>\n", bytes + 8)
        << fmt::format("        <DataArray type=\"UInt8\" Name=\"support\" format=\"appended\" offset=\"{}\"/>\n",
                       2 * (bytes + 8))
        << "      </PointData>\n    </Piece>\n  </ImageData>\n  <AppendedData encoding=\"raw\">\n_";
    const auto block = [&](const void* data, std::uint64_t size) {
      out.write(reinterpret_cast<const char*>(&size), 8);
      out.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    };
    block(amplitude.data(), bytes);
    block(phase.data(), bytes);
    block(support.data(), count);
    out << "\n  </AppendedData>\n</VTKFile>\n";
    out.close();
    require(static_cast<bool>(out), "{}: writing failed, is the disk full?", path);
  });
}

}  // namespace fringe::io

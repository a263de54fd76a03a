#include "apps/io/vti.h"

#include <bit>
#include <fstream>

#include "engine/hdf5.h"

namespace fringe::io {

static_assert(std::endian::native == std::endian::little, "write_vti writes the bytes of this machine");

void write_vti(const std::string& path, const VtiImage& image) {
  const auto& e = image.extent;
  const std::string extent = fmt::format("0 {} 0 {} 0 {}", e[2] - 1, e[1] - 1, e[0] - 1);
  hdf5::replace_atomically(path, [&](const std::string& temporary) {
    std::ofstream out(temporary, std::ios::binary);
    out << "<?xml version=\"1.0\"?>\n"
           "<VTKFile type=\"ImageData\" version=\"1.0\" byte_order=\"LittleEndian\" header_type=\"UInt64\">\n"
        << fmt::format(
               "  <ImageData WholeExtent=\"{}\" Origin=\"{:.10g} {:.10g} {:.10g}\" Spacing=\"{:.10g} {:.10g} {:.10g}\">\n",
               extent, image.origin[2], image.origin[1], image.origin[0], image.spacing[2], image.spacing[1],
               image.spacing[0])
        << fmt::format("    <Piece Extent=\"{}\">\n      <PointData Scalars=\"{}\">\n", extent,
                       image.fields.empty() ? "support" : image.fields[0].name);
    std::uint64_t offset = 0;
    for (const auto& field : image.fields) {
      out << fmt::format("        <DataArray type=\"Float32\" Name=\"{}\" format=\"appended\" offset=\"{}\"/>\n", field.name,
                         offset);
      offset += 8 + 4 * field.values.size();
    }
    out << fmt::format("        <DataArray type=\"UInt8\" Name=\"support\" format=\"appended\" offset=\"{}\"/>\n", offset)
        << "      </PointData>\n    </Piece>\n  </ImageData>\n  <AppendedData encoding=\"raw\">\n_";
    const auto block = [&](const void* data, std::uint64_t size) {
      out.write(reinterpret_cast<const char*>(&size), 8);
      out.write(static_cast<const char*>(data), static_cast<std::streamsize>(size));
    };
    for (const auto& field : image.fields) block(field.values.data(), 4 * field.values.size());
    block(image.support.data(), image.support.size());
    out << "\n  </AppendedData>\n</VTKFile>\n";
    out.close();
    require(static_cast<bool>(out), "{}: writing failed, is the disk full?", path);
  });
}

void write_vti(const std::string& path, const Reconstruction& r) {
  VtiImage image;
  image.extent = r.object.extent;
  if (const auto v = r.pattern.geometry.voxel_size(r.pattern.intensity.extent))
    for (std::size_t axis = 0; axis < 3; ++axis) image.spacing[axis] = (*v)[axis] * 1e9;
  const auto count = static_cast<std::size_t>(r.object.size());
  std::vector<float> amplitude(count), phase(count);
  image.support.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    amplitude[i] = std::abs(r.object.data[i]);
    image.support[i] = r.support.empty() ? amplitude[i] > 0 : r.support.data[i];
    phase[i] = image.support[i] ? std::arg(r.object.data[i]) : 0;
  }
  image.fields = {{"amplitude", std::move(amplitude)}, {"phase", std::move(phase)}};
  write_vti(path, image);
}

}  // namespace fringe::io

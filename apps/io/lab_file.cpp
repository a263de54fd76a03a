#include "apps/io/lab_file.h"

#include "apps/io/cxi.h"
#include "apps/io/cxi_parts.h"
#include "apps/io/hdf5_data.h"
#include "apps/io/vti.h"
#include "kernels/error.h"

namespace fringe::io {
namespace {

const std::string image = "/entry_1/image_1/", process = "/entry_1/process_1/";

void write_field(hid_t file, const std::string& name, const Volume<float>& field, const char* units) {
  if (field.empty()) return;
  write_volume(file, image + name, field);
  write_attribute(file, image + name, "units", units);
}

Volume<float> read_field(hid_t file, const std::string& name, const Extent& extent, const std::string& path) {
  if (!exists(file, image + name)) return {};
  auto field = read_volume(file, image + name, path);
  require(field.extent == extent, "{}: {}{} has another extent than the object", path, image, name);
  return field;
}

}  // namespace

Reconstruction read_crystal(const std::string& path) {
  Reconstruction r;
  r.object = read_object(path);
  const auto file = hdf5::open(path);
  const Extent& e = r.object.extent;
  Extent pattern = e;
  if (const auto known = read_extent(file.get(), "/entry_1/instrument_1/detector_1/data"); known.size() == 3)
    pattern = {known[0], known[1], known[2]};
  r.pattern.intensity = Volume<float>(pattern);
  r.pattern.geometry = io::read_geometry(file.get());
  r.pattern.sample = read_text(file.get(), "/entry_1/sample_1/name").value_or("");
  const auto support = read_field(file.get(), "support", e, path);
  r.support = Volume<std::uint8_t>(e);
  for (std::size_t i = 0; i < r.support.data.size(); ++i)
    r.support.data[i] = support.empty() ? r.object.data[i] != Complex(0) : support.data[i] != 0;
  for (const auto& name : names_in(file.get(), process + "results"))
    if (const auto value = read_number(file.get(), process + "results/" + name)) r.metrics[name] = *value;
  return r;
}

void write_lab(const std::string& path, const LabObject& lab) {
  hdf5::write_atomically(path, [&](hid_t file) {
    write_volume(file, image + "data", lab.object);
    write_text(file, image + "data_type", "electron density");
    write_text(file, image + "data_space", "real");
    write_integer(file, image + "is_fft_shifted", 0);
    Volume<std::uint32_t> mask(lab.support.extent);
    for (std::size_t i = 0; i < mask.data.size(); ++i) mask.data[i] = lab.support.data[i];
    write_volume(file, image + "support", mask);
    write_link(file, image + "mask", "support");
    const Extent& e = lab.object.extent;
    std::vector<double> size;  // width, height, depth
    for (const std::size_t axis : {2, 1, 0}) size.push_back(static_cast<double>(e[axis]) * lab.voxel);
    write_numbers(file, image + "image_size", size);
    write_numbers(file, image + "voxel_size", {lab.voxel, lab.voxel, lab.voxel});
    write_numbers(file, image + "origin", {lab.origin[0], lab.origin[1], lab.origin[2]});
    for (const char* name : {"image_size", "voxel_size", "origin"}) write_attribute(file, image + name, "units", "m");
    write_text(file, image + "frame", laboratory_frame);
    write_field(file, "phase", lab.phase, "rad");
    write_field(file, "displacement", lab.displacement, "m");
    write_field(file, "strain", lab.strain, "1");
    write_numbers(file, image + "pattern_extent",
                  {static_cast<double>(lab.pattern_extent[0]), static_cast<double>(lab.pattern_extent[1]),
                   static_cast<double>(lab.pattern_extent[2])});
    write_geometry(file, lab.geometry);
    write_text(file, "/entry_1/sample_1/name", lab.sample);
    write_text(file, process + "program", "fringe");
    write_text(file, process + "version", lab.version);
    write_text(file, process + "command", lab.command);
    for (const auto& [name, value] : lab.metrics) write_number(file, process + "results/" + name, value);
    link_default(file, image + "data");
    write_entry(file, 150, lab.start_time.empty() ? now() : lab.start_time);
  });
}

bool is_lab(const std::string& path) {
  const auto file = hdf5::open(path);
  return read_text(file.get(), image + "frame").value_or("") == laboratory_frame;
}

LabObject read_lab(const std::string& path) {
  require(is_lab(path), "{}: holds no crystal in the laboratory frame, which `fringe lab` writes", path);
  const auto file = hdf5::open(path);
  LabObject lab;
  lab.object = read_complex_volume(file.get(), image + "data", path);
  const Extent& e = lab.object.extent;
  const auto support = read_field(file.get(), "support", e, path);
  require(!support.empty(), "{}: there is no {}support", path, image);
  lab.support = Volume<std::uint8_t>(e);
  for (std::size_t i = 0; i < support.data.size(); ++i) lab.support.data[i] = support.data[i] != 0;
  lab.phase = read_field(file.get(), "phase", e, path);
  lab.displacement = read_field(file.get(), "displacement", e, path);
  lab.strain = read_field(file.get(), "strain", e, path);
  const auto voxel = read_numbers(file.get(), image + "voxel_size"), origin = read_numbers(file.get(), image + "origin"),
             pattern = read_numbers(file.get(), image + "pattern_extent");
  require(voxel.size() == 3 && voxel[0] > 0 && origin.size() == 3 && pattern.size() == 3,
          "{}: {}voxel_size, origin or pattern_extent is missing or damaged", path, image);
  lab.voxel = voxel[0];
  for (std::size_t k = 0; k < 3; ++k) {
    lab.origin[k] = origin[k];
    lab.pattern_extent[k] = static_cast<Index>(pattern[k]);
  }
  lab.geometry = read_geometry(file.get());
  for (const auto& name : names_in(file.get(), process + "results"))
    if (const auto value = read_number(file.get(), process + "results/" + name)) lab.metrics[name] = *value;
  lab.sample = read_text(file.get(), "/entry_1/sample_1/name").value_or("");
  lab.version = read_text(file.get(), process + "version").value_or("");
  lab.command = read_text(file.get(), process + "command").value_or("");
  lab.start_time = read_text(file.get(), "/entry_1/start_time").value_or("");
  return lab;
}

void write_lab_vti(const std::string& path, const LabObject& lab) {
  VtiImage image_data;
  image_data.extent = lab.object.extent;
  image_data.spacing = {lab.voxel * 1e9, lab.voxel * 1e9, lab.voxel * 1e9};
  for (std::size_t k = 0; k < 3; ++k) image_data.origin[2 - k] = lab.origin[k] * 1e9;
  std::vector<float> amplitude(lab.object.data.size());
  for (std::size_t i = 0; i < amplitude.size(); ++i) amplitude[i] = std::abs(lab.object.data[i]);
  image_data.fields = {{"amplitude", amplitude}, {"phase", lab.phase.data}};
  if (!lab.displacement.empty()) {
    auto picometres = lab.displacement.data;
    for (auto& u : picometres) u *= 1e12F;
    image_data.fields.push_back({"displacement", picometres});
    image_data.fields.push_back({"strain", lab.strain.data});
  }
  image_data.support = lab.support.data;
  write_vti(path, image_data);
}

}  // namespace fringe::io

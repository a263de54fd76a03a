#include "apps/io/cxi.h"

#include <cmath>
#include <ctime>
#include <fmt/format.h>

#include "apps/io/cxi_parts.h"
#include "apps/io/hdf5_data.h"

namespace fringe::io {
namespace {

const std::string detector = "/entry_1/instrument_1/detector_1/", image = "/entry_1/image_1/",
                  process = "/entry_1/process_1/";
constexpr std::uint32_t pixel_is_invalid = 0x1, pixel_has_signal = 0x1000;

constexpr double planck = 6.62607015e-34;      // [J s]
constexpr double light_speed = 299792458.0;    // [m/s]

void write_detector(hid_t file, const Pattern& p) {
  write_volume(file, detector + "data", p.intensity);
  Volume<std::uint32_t> mask(p.intensity.extent);
  for (Index i = 0; i < mask.size(); ++i) mask.data[static_cast<std::size_t>(i)] = p.measured(i) ? 0 : pixel_is_invalid;
  write_volume(file, detector + "mask", mask);
  write_geometry(file, p.geometry);
  write_text(file, "/entry_1/sample_1/name", p.sample);
  write_attribute(file, "/entry_1/instrument_1", "NX_class", "NXinstrument");
  write_attribute(file, detector, "NX_class", "NXdetector");
  write_attribute(file, detector + "data", "units", "photons");
}

void write_image(hid_t file, const Volume<Complex>& object, const Volume<std::uint8_t>& support, const Geometry& geometry,
                 const Extent& frame) {
  write_volume(file, image + "data", object);
  write_text(file, image + "data_type", "electron density");
  write_text(file, image + "data_space", "real");
  write_integer(file, image + "is_fft_shifted", 0);
  Volume<std::uint32_t> mask(object.extent);
  for (std::size_t i = 0; i < mask.data.size(); ++i)
    mask.data[i] = support.empty() ? std::abs(object.data[i]) > 0 : support.data[i] != 0;
  write_volume(file, image + "support", mask);
  write_link(file, image + "mask", "support");
  if (const auto v = geometry.voxel_size(frame)) {
    std::vector<double> size;  // width, height, depth, as CXI wants them
    for (const int axis : {2, 1, 0}) size.push_back((*v)[axis] * static_cast<double>(object.extent[axis]));
    write_numbers(file, image + "image_size", size);
    write_numbers(file, image + "voxel_size", {(*v)[0], (*v)[1], (*v)[2]});
  }
}

Pattern read_detector(hid_t file, const std::string& name, const std::string& wanted) {
  std::string path = wanted;
  if (path.empty())
    for (const auto& candidate : {detector + "data", std::string("/entry_1/data_1/data"), std::string("/entry_1/image_1/data")})
      if (exists(file, candidate) && !is_complex(file, candidate)) {
        path = candidate;
        break;
      }
  if (path.empty() || !exists(file, path)) {
    const auto arrays = list_arrays(file);
    fail("{}: there is no {}; it holds {}", name, path.empty() ? "diffraction pattern in the places CXI knows" : "array " + path,
         arrays.empty() ? "no arrays at all" : fmt::format("{}", fmt::join(arrays, ", ")));
  }
  Pattern p;
  p.intensity = read_volume(file, path, name);
  const auto slash = path.rfind('/');
  const std::string mask_path = path.substr(0, slash + 1) + "mask";
  if (exists(file, mask_path) && path != mask_path) {
    const auto bits = read_volume(file, mask_path, name);
    require(bits.extent == p.intensity.extent, "{}: the mask {} has another extent than the data", name, mask_path);
    p.mask = Volume<std::uint8_t>(bits.extent);
    for (std::size_t i = 0; i < bits.data.size(); ++i)
      p.mask.data[i] = (static_cast<std::uint32_t>(bits.data[i]) & ~pixel_has_signal) == 0;
  }
  p.geometry = read_geometry(file);
  p.sample = read_text(file, "/entry_1/sample_1/name").value_or("");
  return p;
}

}  // namespace

void write_geometry(hid_t file, const Geometry& g) {
  if (g.energy) {
    write_number(file, "/entry_1/instrument_1/source_1/energy", *g.energy);
    write_number(file, "/entry_1/instrument_1/beam_1/incident_energy", *g.energy);
    write_number(file, "/entry_1/instrument_1/beam_1/incident_wavelength", planck * light_speed / *g.energy);
  }
  if (g.distance) write_number(file, detector + "distance", *g.distance);
  if (g.pixel_size_x) write_number(file, detector + "x_pixel_size", *g.pixel_size_x);
  if (g.pixel_size_y) write_number(file, detector + "y_pixel_size", *g.pixel_size_y);
  if (g.basis_vectors) {
    std::vector<double> values;
    for (const auto& row : *g.basis_vectors) values.insert(values.end(), row.begin(), row.end());
    write_numbers(file, detector + "reciprocal_basis", values, {3, 3});
    write_attribute(file, detector + "reciprocal_basis", "units", "1/m");
  }
  if (g.bragg) {
    write_numbers(file, detector + "scattering_vector", {(*g.bragg)[0], (*g.bragg)[1], (*g.bragg)[2]});
    write_attribute(file, detector + "scattering_vector", "units", "1/m");
  }
  const auto three = [](const Extent& e) {
    return std::vector<double>{static_cast<double>(e[0]), static_cast<double>(e[1]), static_cast<double>(e[2])};
  };
  write_numbers(file, detector + "binning", three(g.binning));
  write_numbers(file, detector + "origin", three(g.origin));
}

Geometry read_geometry(hid_t file) {
  Geometry g;
  g.energy = read_number(file, "/entry_1/instrument_1/source_1/energy");
  if (!g.energy) g.energy = read_number(file, "/entry_1/instrument_1/beam_1/incident_energy");
  g.distance = read_number(file, detector + "distance");
  g.pixel_size_x = read_number(file, detector + "x_pixel_size");
  g.pixel_size_y = read_number(file, detector + "y_pixel_size");
  if (const auto v = read_numbers(file, detector + "reciprocal_basis"); v.size() == 9) {
    auto& basis = g.basis_vectors.emplace();
    for (std::size_t i = 0; i < 9; ++i) basis[i / 3][i % 3] = v[i];
  }
  if (const auto v = read_numbers(file, detector + "scattering_vector"); v.size() == 3) g.bragg = {v[0], v[1], v[2]};
  const auto three = [&](const std::string& name, Extent& e) {
    if (const auto v = read_numbers(file, detector + name); v.size() == 3)
      for (std::size_t i = 0; i < 3; ++i) e[i] = static_cast<Index>(v[i]);
  };
  three("binning", g.binning);
  three("origin", g.origin);
  return g;
}

void write_entry(hid_t file, int version, const std::string& start_time) {
  write_integer(file, "/cxi_version", version);
  write_text(file, "/entry_1/program_name", "fringe " FRINGE_VERSION);
  write_text(file, "/entry_1/start_time", start_time);
  write_attribute(file, "/", "default", "entry_1");
  write_attribute(file, "/", "creator", "fringe");
  write_attribute(file, "/entry_1", "NX_class", "NXentry");
  write_attribute(file, "/entry_1", "default", "data_1");
  write_link(file, "/entry_last", "/entry_1");
}

void link_default(hid_t file, const std::string& target) {
  write_link(file, "/entry_1/data_1/data", target);
  write_attribute(file, "/entry_1/data_1", "NX_class", "NXdata");
  write_attribute(file, "/entry_1/data_1", "signal", "data");
}

std::string now() {
  const std::time_t t = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&t));
  return text;
}

void require_usable(const Pattern& pattern, const std::string& name) {
  const auto& e = pattern.intensity.extent;
  const std::string extent = fmt::format("{} x {} x {}", e[0], e[1], e[2]);
  for (const Index n : e) {
    require(n % 2 == 0, "{}: extents must be even, the pattern has {} voxels; crop it with `fringe prepare`", name, extent);
    require(n >= 8, "{}: the pattern has {} voxels, at least 8 are needed along every axis", name, extent);
  }
  bool light = false;
  for (Index i = 0; i < pattern.intensity.size(); ++i) {
    if (!pattern.measured(i)) continue;
    const float v = pattern.intensity.data[static_cast<std::size_t>(i)];
    if (!std::isfinite(v) || v < 0)
      fail("{}: the intensity at ({}, {}, {}) is {}; intensities must be finite and not negative: mask such voxels with "
           "`fringe prepare`",
           name, i / (e[1] * e[2]), i / e[2] % e[1], i % e[2], v);
    light = light || v > 0;
  }
  require(light, "{}: every measured intensity is zero", name);
}

void write_pattern(const std::string& path, const Pattern& pattern, const std::string& command) {
  hdf5::write_atomically(path, [&](hid_t file) {
    write_detector(file, pattern);
    if (!pattern.truth.empty()) write_image(file, pattern.truth, {}, pattern.geometry, pattern.intensity.extent);
    link_default(file, detector + "data");
    write_text(file, process + "program", "fringe");
    write_text(file, process + "version", FRINGE_VERSION);
    write_text(file, process + "command", command);
    write_entry(file, 140, now());
  });
}

Pattern read_pattern(const std::string& text) {
  const auto [path, wanted] = split_path(text);
  const auto file = hdf5::open(path);
  Pattern p = read_detector(file.get(), path, wanted);
  if (wanted.empty() && is_complex(file.get(), image + "data") && names_in(file.get(), process + "results").empty())
    p.truth = read_complex_volume(file.get(), image + "data", path);
  require_usable(p, text);
  return p;
}

void write_reconstruction(const std::string& path, const Reconstruction& r) {
  hdf5::write_atomically(path, [&](hid_t file) {
    write_image(file, r.object, r.support, r.pattern.geometry, r.pattern.intensity.extent);
    write_detector(file, r.pattern);
    write_volume(file, "/entry_1/image_2/data", r.calculated);
    write_text(file, "/entry_1/image_2/data_type", "intensity");
    write_text(file, "/entry_1/image_2/data_space", "diffraction");
    write_text(file, process + "program", "fringe");
    write_text(file, process + "version", r.version);
    write_text(file, process + "command", r.command);
    write_text(file, process + "device", r.device);
    for (const auto& [name, value] : r.configuration) write_text(file, process + "configuration/" + name, value);
    for (const auto& [name, value] : r.metrics) write_number(file, process + "results/" + name, value);
    for (const auto& [name, curve] : r.curves) {
      write_numbers(file, process + "curves/" + name + "/epoch", curve.epoch);
      write_numbers(file, process + "curves/" + name + "/value", curve.value);
    }
    for (const auto& [name, map] : r.maps) write_volume(file, process + "maps/" + name, map);
    for (const auto& [name, mode] : r.modes) write_volume(file, process + "modes/" + name, mode);
    if (!r.pattern.truth.empty()) write_volume(file, "/entry_1/image_3/data", r.pattern.truth);
    link_default(file, image + "data");
    write_entry(file, 150, r.start_time);
  });
}

bool is_reconstruction(const std::string& path) {
  const auto file = hdf5::open(path);
  return is_complex(file.get(), image + "data") && !names_in(file.get(), process + "results").empty();
}

Reconstruction read_reconstruction(const std::string& path) {
  const auto file = hdf5::open(path);
  Reconstruction r;
  r.object = read_object(path);
  r.pattern = read_detector(file.get(), path, detector + "data");
  if (is_complex(file.get(), "/entry_1/image_3/data"))
    r.pattern.truth = read_complex_volume(file.get(), "/entry_1/image_3/data", path);
  const auto support = read_volume(file.get(), image + "support", path);
  require(support.extent == r.object.extent, "{}: the support has another extent than the object", path);
  r.support = Volume<std::uint8_t>(support.extent);
  for (std::size_t i = 0; i < support.data.size(); ++i) r.support.data[i] = support.data[i] != 0;
  r.calculated = read_volume(file.get(), "/entry_1/image_2/data", path);
  require(r.calculated.extent == r.pattern.intensity.extent,
          "{}: calculated and measured intensities have different extents", path);
  for (const auto& name : names_in(file.get(), process + "configuration"))
    r.configuration[name] = read_text(file.get(), process + "configuration/" + name).value_or("");
  for (const auto& name : names_in(file.get(), process + "results"))
    if (const auto value = read_number(file.get(), process + "results/" + name)) r.metrics[name] = *value;
  for (const auto& name : names_in(file.get(), process + "curves"))
    r.curves[name] = {read_numbers(file.get(), process + "curves/" + name + "/epoch"),
                      read_numbers(file.get(), process + "curves/" + name + "/value")};
  for (const auto& name : names_in(file.get(), process + "maps")) r.maps[name] = read_volume(file.get(), process + "maps/" + name, path);
  for (const auto& name : names_in(file.get(), process + "modes"))
    r.modes[name] = read_complex_volume(file.get(), process + "modes/" + name, path);
  r.command = read_text(file.get(), process + "command").value_or("");
  r.version = read_text(file.get(), process + "version").value_or("");
  r.device = read_text(file.get(), process + "device").value_or("");
  r.start_time = read_text(file.get(), "/entry_1/start_time").value_or("");
  return r;
}

Volume<Complex> read_object(const std::string& text) {
  const auto [path, wanted] = split_path(text);
  const auto file = hdf5::open(path);
  std::string place = wanted.empty() ? image + "data" : wanted;
  if (!is_complex(file.get(), place)) {
    const auto arrays = list_arrays(file.get());
    fail("{}: there is no complex object at {}; it holds {}", path, place,
         arrays.empty() ? "no arrays at all" : fmt::format("{}", fmt::join(arrays, ", ")));
  }
  auto object = read_complex_volume(file.get(), place, path);
  bool any = false;
  for (const auto& v : object.data) {
    require(std::isfinite(v.real()) && std::isfinite(v.imag()), "{}: the object holds values that are not finite", path);
    any = any || v != Complex(0);
  }
  require(any, "{}: the object is zero everywhere", path);
  return object;
}

std::string describe(const std::string& path) {
  const auto file = hdf5::open(path);
  std::string text = path + "\n";
  for (const auto& line : list_arrays(file.get())) text += "  " + line + "\n";
  for (const char* leaf : {"program", "version", "command", "device"})
    if (const auto value = read_text(file.get(), process + leaf)) text += fmt::format("  {:<10} {}\n", leaf, *value);
  for (const auto& name : names_in(file.get(), process + "results"))
    if (const auto value = read_number(file.get(), process + "results/" + name))
      text += fmt::format("  {:<18} {:.6g}\n", name, *value);
  if (exists(file.get(), "/texts")) text += "  a fringe model or checkpoint\n";
  return text;
}

}  // namespace fringe::io

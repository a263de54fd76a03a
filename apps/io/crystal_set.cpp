#include "apps/io/crystal_set.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>

#include "apps/io/hdf5_data.h"

namespace fringe::io {
namespace {

constexpr const char* format = "fringe crystal set 1";

hdf5::Handle complex_type() {
  hdf5::Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Complex)));
  H5Tinsert(type.get(), "r", 0, H5T_NATIVE_FLOAT);
  H5Tinsert(type.get(), "i", sizeof(float), H5T_NATIVE_FLOAT);
  return type;
}

/// Every chunk gets its place now, and no time of access is kept: filling the set later changes no metadata.
void make_data_set(hid_t file, const char* name, hid_t type, std::vector<hsize_t> extent) {
  const hdf5::Handle space(H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr)),
      options(H5Pcreate(H5P_DATASET_CREATE));
  H5Pset_obj_track_times(options.get(), false);
  H5Pset_alloc_time(options.get(), H5D_ALLOC_TIME_EARLY);
  H5Pset_fill_time(options.get(), extent.size() > 1 ? H5D_FILL_TIME_NEVER : H5D_FILL_TIME_ALLOC);
  if (extent.size() > 1) {
    extent[0] = 1;
    H5Pset_chunk(options.get(), static_cast<int>(extent.size()), extent.data());
  }
  const hdf5::Handle set(H5Dcreate2(file, name, type, space.get(), H5P_DEFAULT, options.get(), H5P_DEFAULT));
  require(static_cast<bool>(set), "cannot make room for {}, is the disk full?", name);
}

/// Moves entry `i` of a data set to or from memory.
void transfer(hid_t file, const std::string& path, const char* name, hid_t type, Index i, Index n, void* to,
              const void* from) {
  const hdf5::Handle set(H5Dopen2(file, name, H5P_DEFAULT));
  require(static_cast<bool>(set), "{}: there is no {}", path, name);
  const hdf5::Handle space(H5Dget_space(set.get()));
  const int rank = n > 0 ? 4 : 1;
  const auto edge = static_cast<hsize_t>(n);
  const hsize_t start[4] = {static_cast<hsize_t>(i), 0, 0, 0}, count[4] = {1, edge, edge, edge};
  const hdf5::Handle memory(H5Screate_simple(rank, count, nullptr));
  H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, count, nullptr);
  if (to != nullptr)
    require(H5Dread(set.get(), type, memory.get(), space.get(), H5P_DEFAULT, to) >= 0,
            "{}: cannot read number {} of {}, the file is damaged", path, i, name);
  else
    require(H5Dwrite(set.get(), type, memory.get(), space.get(), H5P_DEFAULT, from) >= 0,
            "{}: cannot write number {} of {}, is the disk full?", path, i, name);
}

std::vector<std::uint8_t> read_flags(hid_t file, const std::string& path) {
  std::vector<std::uint8_t> flags;
  for (const double v : read_numbers(file, "/complete")) flags.push_back(v != 0);
  require(!flags.empty(), "{}: the set is damaged, it says nothing about what is complete", path);
  return flags;
}

}  // namespace

CrystalSetWriter::CrystalSetWriter(const std::string& path, const CrystalSetLayout& layout)
    : path_(path), partial_(path + ".partial"), n_(layout.size / 2) {
  require(layout.count > 0, "{}: a set needs at least one crystal", path);
  hdf5::require_writable(path);
  hdf5::silence();
  std::filesystem::exists(partial_) ? resume(layout) : create(layout);
}

void CrystalSetWriter::create(const CrystalSetLayout& layout) {
  // The file gets its name when all is laid out: a partial file is always one that can be gone on with.
  const std::string fresh = partial_ + ".new";
  hdf5::Handle file(H5Fcreate(fresh.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  require(static_cast<bool>(file), "{}: cannot create it", fresh);
  try {
    const auto count = static_cast<hsize_t>(layout.count), n = static_cast<hsize_t>(n_);
    write_attribute(file.get(), "/", "format", format);
    write_text(file.get(), "/parameters/size", std::to_string(layout.size));
    write_text(file.get(), "/parameters/patterns", layout.patterns ? "yes" : "no");
    for (const auto& [name, value] : layout.parameters) write_number(file.get(), "/parameters/" + name, value);
    for (const auto& [name, value] : layout.texts) write_text(file.get(), "/parameters/" + name, value);
    make_data_set(file.get(), "objects", complex_type().get(), {count, n, n, n});
    if (layout.patterns) make_data_set(file.get(), "intensities", H5T_NATIVE_FLOAT, {count, 2 * n, 2 * n, 2 * n});
    for (const char* name : {"phase_range", "photons"}) make_data_set(file.get(), name, H5T_NATIVE_DOUBLE, {count});
    for (const char* name : {"polyhedron", "complete"}) make_data_set(file.get(), name, H5T_NATIVE_UINT8, {count});
    require(H5Fflush(file.get(), H5F_SCOPE_GLOBAL) >= 0, "writing failed, is the disk full?");
  } catch (const Error& e) {
    file = {};
    std::remove(fresh.c_str());
    fail("{}: {}", path_, e.what());
  }
  file = {};
  require(std::rename(fresh.c_str(), partial_.c_str()) == 0, "{}: cannot rename it", fresh);
  complete_.assign(static_cast<std::size_t>(layout.count), 0);
  file_ = hdf5::Handle(H5Fopen(partial_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  require(static_cast<bool>(file_), "{}: cannot open it again", partial_);
}

void CrystalSetWriter::resume(const CrystalSetLayout& layout) {
  file_ = hdf5::Handle(H5Fopen(partial_.c_str(), H5F_ACC_RDWR, H5P_DEFAULT));
  require(static_cast<bool>(file_), "{}: left by an interrupted run, but damaged; delete it to begin again", partial_);
  const auto must_equal = [&](const std::string& name, const std::string& there, const std::string& here) {
    require(there == here,
            "{}: left by an interrupted run with {} {}, this one has {}; delete it or choose another output", partial_,
            name, there, here);
  };
  must_equal("size", read_text(file_.get(), "/parameters/size").value_or("?"), std::to_string(layout.size));
  must_equal("patterns", read_text(file_.get(), "/parameters/patterns").value_or("?"), layout.patterns ? "yes" : "no");
  for (const auto& [name, value] : layout.parameters)
    must_equal(name, fmt::format("{}", read_number(file_.get(), "/parameters/" + name).value_or(-1)),
               fmt::format("{}", value));
  for (const auto& [name, value] : layout.texts)
    if (std::find(layout.free_texts.begin(), layout.free_texts.end(), name) == layout.free_texts.end())
      must_equal(name, read_text(file_.get(), "/parameters/" + name).value_or("?"), value);
  complete_ = read_flags(file_.get(), partial_);
  must_equal("count", std::to_string(complete_.size()), std::to_string(layout.count));
}

Index CrystalSetWriter::completed() const { return std::count(complete_.begin(), complete_.end(), 1); }

void CrystalSetWriter::write(Index first, const std::vector<SetEntry>& entries) {
  const auto type = complex_type();
  for (std::size_t k = 0; k < entries.size(); ++k) {
    const SetEntry& e = entries[k];
    const Index i = first + static_cast<Index>(k);
    const double photons = e.specimen.exposure.noise ? e.specimen.exposure.photons : 0;
    const std::uint8_t polyhedron = e.specimen.crystal.shape == CrystalShape::polyhedron;
    transfer(file_.get(), path_, "objects", type.get(), i, n_, nullptr, e.object.data.data());
    if (!e.intensity.empty())
      transfer(file_.get(), path_, "intensities", H5T_NATIVE_FLOAT, i, 2 * n_, nullptr, e.intensity.data.data());
    transfer(file_.get(), path_, "phase_range", H5T_NATIVE_DOUBLE, i, 0, nullptr, &e.specimen.crystal.phase_range);
    transfer(file_.get(), path_, "photons", H5T_NATIVE_DOUBLE, i, 0, nullptr, &photons);
    transfer(file_.get(), path_, "polyhedron", H5T_NATIVE_UINT8, i, 0, nullptr, &polyhedron);
  }
  require(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) >= 0, "{}: writing failed, is the disk full?", path_);
  const std::uint8_t yes = 1;
  for (std::size_t k = 0; k < entries.size(); ++k) {
    const Index i = first + static_cast<Index>(k);
    transfer(file_.get(), path_, "complete", H5T_NATIVE_UINT8, i, 0, nullptr, &yes);
    complete_[static_cast<std::size_t>(i)] = 1;
  }
  require(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL) >= 0, "{}: writing failed, is the disk full?", path_);
}

void CrystalSetWriter::finish() {
  require(completed() == static_cast<Index>(complete_.size()), "{}: the set is not complete", path_);
  file_ = {};
  require(std::rename(partial_.c_str(), path_.c_str()) == 0, "{}: cannot rename {}", path_, partial_);
}

CrystalSet::CrystalSet(const std::string& path) : path_(path), file_(hdf5::open(path)) {
  const auto extent = read_extent(file_.get(), "/objects");
  require(is_crystal_set(path) && extent.size() == 4,
          "{}: an HDF5 file, but no set of crystals (fringe simulate --count)", path);
  const auto flags = read_flags(file_.get(), path);
  const auto done = std::count(flags.begin(), flags.end(), 1);
  require(done == extent[0], "{}: {} of its {} crystals are missing; finish it with the command that began it", path,
          extent[0] - done, extent[0]);
  count_ = extent[0];
  n_ = extent[1];
  patterns_ = exists(file_.get(), "/intensities");
  phase_range_ = read_numbers(file_.get(), "/phase_range");
  photons_ = read_numbers(file_.get(), "/photons");
  polyhedron_ = read_numbers(file_.get(), "/polyhedron");
  require(static_cast<Index>(std::min({phase_range_.size(), photons_.size(), polyhedron_.size()})) == count_,
          "{}: the set is damaged", path);
}

Volume<Complex> CrystalSet::object(Index i) const {
  require(i >= 0 && i < count_, "{}: there is no crystal {}, only {}", path_, i, count_);
  Volume<Complex> v({n_, n_, n_});
  transfer(file_.get(), path_, "objects", complex_type().get(), i, n_, v.data.data(), nullptr);
  return v;
}

Volume<float> CrystalSet::intensity(Index i) const {
  require(i >= 0 && i < count_ && patterns_, "{}: there is no pattern {}", path_, i);
  Volume<float> v({2 * n_, 2 * n_, 2 * n_});
  transfer(file_.get(), path_, "intensities", H5T_NATIVE_FLOAT, i, 2 * n_, v.data.data(), nullptr);
  return v;
}

Specimen CrystalSet::specimen(Index i) const {
  const auto at = static_cast<std::size_t>(i);
  Specimen s;
  s.crystal.size = size();
  s.crystal.shape = polyhedron_.at(at) != 0 ? CrystalShape::polyhedron : CrystalShape::superellipsoid;
  s.crystal.phase_range = phase_range_.at(at);
  if (photons_.at(at) > 0) s.exposure = {photons_.at(at), true};
  return s;
}

bool is_crystal_set(const std::string& path) {
  const auto file = hdf5::open(path);
  const hdf5::Handle attribute(H5Aopen(file.get(), "format", H5P_DEFAULT));
  if (!attribute) return false;
  const hdf5::Handle type(H5Aget_type(attribute.get()));
  if (H5Tget_class(type.get()) != H5T_STRING || H5Tis_variable_str(type.get()) > 0) return false;
  std::string text(H5Tget_size(type.get()), '\0');
  H5Aread(attribute.get(), type.get(), text.data());
  return text.substr(0, text.find('\0')) == format;
}

}  // namespace fringe::io

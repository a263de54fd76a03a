// Checkpoints as HDF5 files. One data set per array under /arrays (double, five dimensions), numbers and texts as attributes of
// /numbers and /texts. Floats are exact in double; gzip takes the unused bits out again.
#include <algorithm>

#include "engine/checkpoint.h"
#include "engine/hdf5.h"

namespace fringe {
namespace {

constexpr const char* format = "fringe checkpoint 1";

void write_text(hid_t where, const char* name, const std::string& value) {
  const hdf5::Handle type(H5Tcopy(H5T_C_S1)), space(H5Screate(H5S_SCALAR));
  H5Tset_size(type.get(), std::max<std::size_t>(1, value.size()));
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  const hdf5::Handle attribute(H5Acreate2(where, name, type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  require(attribute && H5Awrite(attribute.get(), type.get(), value.c_str()) >= 0, "checkpoint: cannot write {}", name);
}

std::string read_text(hid_t where, const char* name) {
  const hdf5::Handle attribute(H5Aopen(where, name, H5P_DEFAULT));
  if (!attribute) return {};
  const hdf5::Handle type(H5Aget_type(attribute.get()));
  std::string value(H5Tget_size(type.get()), '\0');
  H5Aread(attribute.get(), type.get(), value.data());
  value.resize(std::min(value.size(), value.find('\0')));
  return value;
}

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  H5Aiterate2(
      object, H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5A_info_t*, void* list) -> herr_t {
        static_cast<std::vector<std::string>*>(list)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

}  // namespace

void Checkpoint::save(const std::string& path) const {
  hdf5::write_atomically(path, [&](hid_t file) {
    write_text(file, "format", format);
    const hdf5::Handle arrays(H5Gcreate2(file, "arrays", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)),
        number_group(H5Gcreate2(file, "numbers", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)),
        text_group(H5Gcreate2(file, "texts", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)), scalar(H5Screate(H5S_SCALAR));
    for (const auto& [name, a] : arrays_) {
      const hsize_t extent[5] = {static_cast<hsize_t>(a.shape.n), static_cast<hsize_t>(a.shape.d),
                                 static_cast<hsize_t>(a.shape.h), static_cast<hsize_t>(a.shape.w),
                                 static_cast<hsize_t>(a.shape.c)};
      const hdf5::Handle space(H5Screate_simple(5, extent, nullptr)), options(H5Pcreate(H5P_DATASET_CREATE));
      if (a.shape.size() > 1024) {
        H5Pset_chunk(options.get(), 5, extent);
        H5Pset_shuffle(options.get());
        H5Pset_deflate(options.get(), 1);
      }
      const hdf5::Handle set(H5Dcreate2(arrays.get(), name.c_str(), H5T_NATIVE_DOUBLE, space.get(), H5P_DEFAULT,
                                        options.get(), H5P_DEFAULT));
      require(set && H5Dwrite(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, a.values.data()) >= 0,
              "{}: cannot write {}, is the disk full?", path, name);
    }
    for (const auto& [name, value] : numbers) {
      const hdf5::Handle attribute(
          H5Acreate2(number_group.get(), name.c_str(), H5T_NATIVE_DOUBLE, scalar.get(), H5P_DEFAULT, H5P_DEFAULT));
      require(attribute && H5Awrite(attribute.get(), H5T_NATIVE_DOUBLE, &value) >= 0, "{}: cannot write {}", path, name);
    }
    for (const auto& [name, value] : texts) write_text(text_group.get(), name.c_str(), value);
  });
}

Checkpoint Checkpoint::load(const std::string& path) {
  const hdf5::Handle file = hdf5::open(path);
  require(read_text(file.get(), "format") == format, "{}: an HDF5 file, but not a fringe model or checkpoint", path);
  const hdf5::Handle arrays(H5Gopen2(file.get(), "arrays", H5P_DEFAULT)),
      number_group(H5Gopen2(file.get(), "numbers", H5P_DEFAULT)), text_group(H5Gopen2(file.get(), "texts", H5P_DEFAULT));
  require(arrays && number_group && text_group, "{}: the checkpoint is incomplete", path);
  Checkpoint c;
  c.path_ = path;
  for (const auto& name : hdf5::link_names(arrays.get())) {
    const hdf5::Handle set(H5Dopen2(arrays.get(), name.c_str(), H5P_DEFAULT));
    require(static_cast<bool>(set), "{}: cannot read {}", path, name);
    const hdf5::Handle space(H5Dget_space(set.get()));
    hsize_t e[5] = {};
    require(H5Sget_simple_extent_ndims(space.get()) == 5, "{}: {} is not five-dimensional", path, name);
    H5Sget_simple_extent_dims(space.get(), e, nullptr);
    Array& a = c.arrays_[name];
    a.shape = {static_cast<Index>(e[0]), static_cast<Index>(e[1]), static_cast<Index>(e[2]), static_cast<Index>(e[3]),
               static_cast<Index>(e[4])};
    a.values.resize(static_cast<std::size_t>(a.shape.size()));
    require(H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, a.values.data()) >= 0,
            "{}: cannot read {}, the file is damaged", path, name);
  }
  for (const auto& name : attribute_names(number_group.get())) {
    const hdf5::Handle attribute(H5Aopen(number_group.get(), name.c_str(), H5P_DEFAULT));
    require(H5Aread(attribute.get(), H5T_NATIVE_DOUBLE, &c.numbers[name]) >= 0, "{}: cannot read {}", path, name);
  }
  for (const auto& name : attribute_names(text_group.get())) c.texts[name] = read_text(text_group.get(), name.c_str());
  return c;
}

std::string Checkpoint::library() {
  unsigned major = 0, minor = 0, release = 0;
  H5get_libversion(&major, &minor, &release);
  return fmt::format("HDF5 {}.{}.{}", major, minor, release);
}

}  // namespace fringe

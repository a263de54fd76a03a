#include "apps/io/hdf5_data.h"

#include <algorithm>
#include <fmt/format.h>

namespace fringe::io {
namespace {

using hdf5::Handle;

Handle groups_on_the_way() {
  Handle list(H5Pcreate(H5P_LINK_CREATE));
  H5Pset_create_intermediate_group(list.get(), 1);
  return list;
}

Handle complex_type() {
  Handle type(H5Tcreate(H5T_COMPOUND, sizeof(Complex)));
  H5Tinsert(type.get(), "r", 0, H5T_NATIVE_FLOAT);
  H5Tinsert(type.get(), "i", sizeof(float), H5T_NATIVE_FLOAT);
  return type;
}

void write(hid_t where, const std::string& path, hid_t type, const std::vector<hsize_t>& extent, const void* data,
           bool compress) {
  const Handle links = groups_on_the_way(), options(H5Pcreate(H5P_DATASET_CREATE));
  const Handle space(extent.empty() ? H5Screate(H5S_SCALAR)
                                    : H5Screate_simple(static_cast<int>(extent.size()), extent.data(), nullptr));
  if (compress) {
    std::vector<hsize_t> chunk = extent;
    chunk[0] = 1;
    H5Pset_chunk(options.get(), static_cast<int>(chunk.size()), chunk.data());
    H5Pset_shuffle(options.get());
    H5Pset_deflate(options.get(), 2);
  }
  const Handle set(H5Dcreate2(where, path.c_str(), type, space.get(), links.get(), options.get(), H5P_DEFAULT));
  require(set && H5Dwrite(set.get(), type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0,
          "HDF5: cannot write {}, is the disk full?", path);
}

std::vector<hsize_t> extent_of(const Extent& e) {
  return {static_cast<hsize_t>(e[0]), static_cast<hsize_t>(e[1]), static_cast<hsize_t>(e[2])};
}

Handle text_type(std::size_t length) {
  Handle type(H5Tcopy(H5T_C_S1));
  H5Tset_size(type.get(), std::max<std::size_t>(1, length));
  H5Tset_cset(type.get(), H5T_CSET_UTF8);
  return type;
}

Handle open_set(hid_t where, const std::string& path) {
  if (!exists(where, path)) return {};
  return Handle(H5Dopen2(where, path.c_str(), H5P_DEFAULT));
}

H5T_class_t class_of(hid_t set) {
  const Handle type(H5Dget_type(set));
  return H5Tget_class(type.get());
}

std::vector<Index> extent_of_set(hid_t set) {
  const Handle space(H5Dget_space(set));
  const int rank = H5Sget_simple_extent_ndims(space.get());
  std::vector<hsize_t> extent(static_cast<std::size_t>(std::max(rank, 0)));
  if (rank > 0) H5Sget_simple_extent_dims(space.get(), extent.data(), nullptr);
  return {extent.begin(), extent.end()};
}

std::string words(const std::vector<Index>& extent) { return fmt::format("({})", fmt::join(extent, ", ")); }

template <class T>
Volume<T> read(hid_t set, hid_t memory_type, const std::string& path, const std::string& name) {
  const auto e = extent_of_set(set);
  require(e.size() == 3, "{}: {} is a {}-dimensional array {}, expected a three-dimensional one", name, path, e.size(),
          words(e));
  require(e[0] > 0 && e[1] > 0 && e[2] > 0, "{}: {} is empty, its extent is {}", name, path, words(e));
  constexpr Index most = Index{1} << 34;
  require(e[0] < most && e[1] < most && e[2] < most && e[0] * e[1] < most && e[0] * e[1] * e[2] < most,
          "{}: {} is too large, its extent is {}", name, path, words(e));
  Volume<T> volume({e[0], e[1], e[2]});
  require(H5Dread(set, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, volume.data.data()) >= 0,
          "{}: cannot read {}, the file is damaged or truncated", name, path);
  return volume;
}

}  // namespace

void write_text(hid_t where, const std::string& path, const std::string& value) {
  const Handle type = text_type(value.size());
  write(where, path, type.get(), {}, value.c_str(), false);
}
void write_number(hid_t where, const std::string& path, double value) {
  write(where, path, H5T_NATIVE_DOUBLE, {}, &value, false);
}
void write_integer(hid_t where, const std::string& path, int value) {
  write(where, path, H5T_NATIVE_INT, {}, &value, false);
}
void write_numbers(hid_t where, const std::string& path, const std::vector<double>& values, std::vector<hsize_t> extent) {
  if (extent.empty()) extent = {values.size()};
  write(where, path, H5T_NATIVE_DOUBLE, extent, values.data(), false);
}
void write_volume(hid_t where, const std::string& path, const Volume<float>& v) {
  write(where, path, H5T_NATIVE_FLOAT, extent_of(v.extent), v.data.data(), true);
}
void write_volume(hid_t where, const std::string& path, const Volume<Complex>& v) {
  const Handle type = complex_type();
  write(where, path, type.get(), extent_of(v.extent), v.data.data(), true);
}
void write_volume(hid_t where, const std::string& path, const Volume<std::uint32_t>& v) {
  write(where, path, H5T_NATIVE_UINT32, extent_of(v.extent), v.data.data(), true);
}
void write_link(hid_t where, const std::string& path, const std::string& target) {
  const Handle links = groups_on_the_way();
  require(H5Lcreate_soft(target.c_str(), where, path.c_str(), links.get(), H5P_DEFAULT) >= 0,
          "HDF5: cannot write the link {}", path);
}
void write_attribute(hid_t where, const std::string& path, const std::string& name, const std::string& value) {
  const Handle object(H5Oopen(where, path.c_str(), H5P_DEFAULT)), type = text_type(value.size()),
                                                                   space(H5Screate(H5S_SCALAR));
  require(static_cast<bool>(object), "HDF5: there is no {} to give the attribute {}", path, name);
  const Handle attribute(H5Acreate2(object.get(), name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT));
  require(attribute && H5Awrite(attribute.get(), type.get(), value.c_str()) >= 0, "HDF5: cannot write the attribute {}",
          name);
}

bool exists(hid_t where, const std::string& path) {
  // H5Lexists wants every group on the way to exist.
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (part != "/" && H5Lexists(where, part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (part != "/" && H5Oexists_by_name(where, part.c_str(), H5P_DEFAULT) <= 0) return false;
    if (slash == std::string::npos) return true;
  }
}

std::optional<std::string> read_text(hid_t where, const std::string& path) {
  const Handle set = open_set(where, path);
  if (!set || class_of(set.get()) != H5T_STRING) return {};
  const Handle type(H5Dget_type(set.get()));
  if (H5Tis_variable_str(type.get()) > 0) {
    if (!extent_of_set(set.get()).empty()) return {};
    char* text = nullptr;
    const Handle memory(H5Tcopy(H5T_C_S1));
    H5Tset_size(memory.get(), H5T_VARIABLE);
    H5Tset_cset(memory.get(), H5Tget_cset(type.get()));
    if (H5Dread(set.get(), memory.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) < 0 || text == nullptr) return {};
    std::string value(text);
    H5free_memory(text);
    return value;
  }
  std::string value(H5Tget_size(type.get()), '\0');
  if (!extent_of_set(set.get()).empty() ||
      H5Dread(set.get(), type.get(), H5S_ALL, H5S_ALL, H5P_DEFAULT, value.data()) < 0)
    return {};
  value.resize(std::min(value.size(), value.find('\0')));
  return value;
}

std::optional<double> read_number(hid_t where, const std::string& path) {
  const auto values = read_numbers(where, path);
  if (values.size() != 1) return {};
  return values[0];
}

std::vector<double> read_numbers(hid_t where, const std::string& path) {
  const Handle set = open_set(where, path);
  if (!set) return {};
  const auto kind = class_of(set.get());
  if (kind != H5T_INTEGER && kind != H5T_FLOAT) return {};
  std::size_t count = 1;
  for (const Index e : extent_of_set(set.get())) count *= static_cast<std::size_t>(e);
  if (count > (std::size_t{1} << 24)) return {};
  std::vector<double> values(count);
  if (H5Dread(set.get(), H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()) < 0) return {};
  return values;
}

std::vector<Index> read_extent(hid_t where, const std::string& path) {
  const Handle set = open_set(where, path);
  return set ? extent_of_set(set.get()) : std::vector<Index>{};
}

bool is_complex(hid_t where, const std::string& path) {
  const Handle set = open_set(where, path);
  return set && class_of(set.get()) == H5T_COMPOUND;
}

Volume<float> read_volume(hid_t where, const std::string& path, const std::string& name) {
  const Handle set = open_set(where, path);
  require(static_cast<bool>(set), "{}: there is no array {}", name, path);
  const auto kind = class_of(set.get());
  require(kind == H5T_INTEGER || kind == H5T_FLOAT, "{}: {} does not hold real numbers", name, path);
  return read<float>(set.get(), H5T_NATIVE_FLOAT, path, name);
}

Volume<Complex> read_complex_volume(hid_t where, const std::string& path, const std::string& name) {
  const Handle set = open_set(where, path);
  require(static_cast<bool>(set), "{}: there is no array {}", name, path);
  require(class_of(set.get()) == H5T_COMPOUND, "{}: {} does not hold complex numbers (r, i)", name, path);
  const Handle type = complex_type();
  return read<Complex>(set.get(), type.get(), path, name);
}

std::vector<std::string> names_in(hid_t where, const std::string& path) {
  if (!exists(where, path)) return {};
  const Handle group(H5Gopen2(where, path.c_str(), H5P_DEFAULT));
  return group ? hdf5::link_names(group.get()) : std::vector<std::string>();
}

std::vector<std::string> list_arrays(hid_t file) {
  std::vector<std::string> found;
  H5Ovisit(
      file, H5_INDEX_NAME, H5_ITER_INC,
      [](hid_t object, const char* name, const H5O_info_t* info, void* list) -> herr_t {
        if (info->type != H5O_TYPE_DATASET) return 0;
        const auto extent = read_extent(object, name);
        if (extent.size() >= 2)
          static_cast<std::vector<std::string>*>(list)->push_back(fmt::format("/{} {}", name, words(extent)));
        return 0;
      },
      &found);
  return found;
}

std::pair<std::string, std::string> split_path(const std::string& text) {
  const auto colon = text.rfind(":/");
  if (colon == std::string::npos || colon == 0) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace fringe::io

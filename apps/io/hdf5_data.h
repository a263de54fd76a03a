// Reading and writing of single arrays, numbers and texts in HDF5 files (engine/hdf5.h opens and closes those).
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "apps/io/volume.h"
#include "engine/hdf5.h"

namespace fringe::io {

// Writers take a path relative to `where` and make the groups on the way. They throw Error when HDF5 refuses.
void write_text(hid_t where, const std::string& path, const std::string& value);
void write_number(hid_t where, const std::string& path, double value);
void write_numbers(hid_t where, const std::string& path, const std::vector<double>& values,
                   std::vector<hsize_t> extent = {});
void write_integer(hid_t where, const std::string& path, int value);
/// Compressed (gzip, shuffled) in chunks of one D plane.
void write_volume(hid_t where, const std::string& path, const Volume<float>& volume);
void write_volume(hid_t where, const std::string& path, const Volume<Complex>& volume);  ///< compound (r, i), as h5py
void write_volume(hid_t where, const std::string& path, const Volume<std::uint32_t>& volume);
void write_link(hid_t where, const std::string& path, const std::string& target);  ///< soft
/// A text attribute of the object at `path`.
void write_attribute(hid_t where, const std::string& path, const std::string& name, const std::string& value);

// Readers give nothing where there is nothing; a damaged file throws Error. `name` is the file's, for messages.
bool exists(hid_t where, const std::string& path);
std::optional<std::string> read_text(hid_t where, const std::string& path);
std::optional<double> read_number(hid_t where, const std::string& path);
std::vector<double> read_numbers(hid_t where, const std::string& path);
std::vector<Index> read_extent(hid_t where, const std::string& path);  ///< empty when it is not an array
bool is_complex(hid_t where, const std::string& path);
/// A real three-dimensional array of any number type. Throws Error for another rank, or a complex or text array.
Volume<float> read_volume(hid_t where, const std::string& path, const std::string& name);
Volume<Complex> read_complex_volume(hid_t where, const std::string& path, const std::string& name);
std::vector<std::string> names_in(hid_t where, const std::string& path);  ///< members of a group

/// "path (extent)" of every array of at least two dimensions in the file: what an error lists when a path is wrong.
std::vector<std::string> list_arrays(hid_t file);

/// "file.h5:/path/to/array" cut at the colon; the second part is empty without one.
std::pair<std::string, std::string> split_path(const std::string& text);

}  // namespace fringe::io

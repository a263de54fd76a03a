// HDF5 files with scope: handles that close themselves, and errors as fringe::Error. HDF5's own error printing is off.
#pragma once
#include <hdf5.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/error.h"

namespace fringe::hdf5 {

/// Owns one HDF5 identifier of any kind.
class Handle {
 public:
  Handle() = default;
  explicit Handle(hid_t id) : id_(id) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    return *this;
  }
  ~Handle() {
    if (id_ >= 0) H5Idec_ref(id_);
  }
  hid_t get() const { return id_; }
  explicit operator bool() const { return id_ >= 0; }

 private:
  hid_t id_ = -1;
};

/// Stops HDF5 from printing its error stack; called by every entry below.
void silence();

/// Opens for reading. Throws Error: no such file; a folder; not HDF5 or damaged.
Handle open(const std::string& path);

/// The names of a group's members.
std::vector<std::string> link_names(hid_t group);

/// Writes a file by `fill(file)` under a temporary name beside `path`, closes it, has it on disk (fsync), and renames it:
/// `path` is either the old file or the complete new one. Throws Error, and leaves no temporary file, when anything fails.
void write_atomically(const std::string& path, const std::function<void(hid_t file)>& fill);

/// The same for any file: `fill(temporary_path)` writes it.
void replace_atomically(const std::string& path, const std::function<void(const std::string& temporary)>& fill);

/// Throws Error unless a file can be created beside `path` now.
void require_writable(const std::string& path);

}  // namespace fringe::hdf5

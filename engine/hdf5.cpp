#include "engine/hdf5.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace fringe::hdf5 {
namespace fs = std::filesystem;

namespace {

std::string temporary_name(const std::string& path) { return fmt::format("{}.{}.partial", path, getpid()); }

/// Waits until a file or a folder's entries are on disk.
void sync(const std::string& path, bool folder) {
  const int file = ::open(path.c_str(), folder ? O_RDONLY | O_DIRECTORY : O_RDONLY);
  require(file >= 0, "{}: {}", path, std::strerror(errno));
  const bool done = fsync(file) == 0 || errno == EINVAL;  // some file systems know no fsync of folders
  const int error = errno;
  close(file);
  require(done, "{}: {}", path, std::strerror(error));
}

std::string folder_of(const std::string& path) {
  const auto folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace

void silence() {
  // A file that could not be closed because the disk is full stays open inside HDF5, and its clean-up at exit, which tries once
  // more, crashes. Handles close all that is ours, so that nothing is left for it to do.
  [[maybe_unused]] static const herr_t no_clean_up = H5dont_atexit();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

Handle open(const std::string& path) {
  silence();
  std::error_code error;
  const auto status = fs::status(path, error);
  require(fs::exists(status), "{}: no such file", path);
  require(!fs::is_directory(status), "{}: is a folder, expected an HDF5 file", path);
  require(access(path.c_str(), R_OK) == 0, "{}: {}", path, std::strerror(errno));
  require(H5Fis_hdf5(path.c_str()) > 0, "{}: not an HDF5 file", path);
  Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  require(static_cast<bool>(file), "{}: the HDF5 file is damaged or truncated", path);
  return file;
}

void replace_atomically(const std::string& path, const std::function<void(const std::string&)>& fill) {
  const std::string temporary = temporary_name(path);
  try {
    fill(temporary);
    sync(temporary, false);
    require(std::rename(temporary.c_str(), path.c_str()) == 0, "{}: cannot replace it: {}", path, std::strerror(errno));
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
  sync(folder_of(path), true);
}

std::vector<std::string> link_names(hid_t group) {
  std::vector<std::string> names;
  H5Literate(
      group, H5_INDEX_NAME, H5_ITER_INC, nullptr,
      [](hid_t, const char* name, const H5L_info_t*, void* list) -> herr_t {
        static_cast<std::vector<std::string>*>(list)->emplace_back(name);
        return 0;
      },
      &names);
  return names;
}

void write_atomically(const std::string& path, const std::function<void(hid_t)>& fill) {
  silence();
  require_writable(path);
  replace_atomically(path, [&](const std::string& temporary) {
    const hid_t file = H5Fcreate(temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    require(file >= 0, "{}: cannot create a file in {}", path, folder_of(path));
    try {
      fill(file);
    } catch (...) {
      H5Fclose(file);
      throw;
    }
    const bool written = H5Fflush(file, H5F_SCOPE_GLOBAL) >= 0;
    require((H5Fclose(file) >= 0) && written, "{}: writing failed, is the disk full?", path);
  });
}

void require_writable(const std::string& path) {
  require(!path.empty(), "no output file named");
  require(!fs::is_directory(path), "{}: is a folder, expected the name of a file", path);
  const std::string folder = folder_of(path);
  require(fs::is_directory(folder), "{}: the folder {} does not exist", path, folder);
  const std::string temporary = temporary_name(path);
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  require(file >= 0, "{}: cannot write there: {}", path, std::strerror(errno));
  const bool written = ::write(file, "fringe", 6) == 6;
  const int error = errno;
  close(file);
  unlink(temporary.c_str());
  require(written, "{}: cannot write there: {}", path, std::strerror(error));
}

}  // namespace fringe::hdf5

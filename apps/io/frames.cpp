#include "apps/io/frames.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>

#include "apps/io/hdf5_data.h"
#include "apps/io/npy.h"
#include "apps/io/tiff.h"

namespace fringe::io {
namespace fs = std::filesystem;
namespace {

bool is_tiff(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(), [](unsigned char c) { return std::tolower(c); });
  return extension == ".tif" || extension == ".tiff";
}

Volume<float> read_stack(const std::vector<std::string>& files) {
  Volume<float> all;
  for (const auto& file : files) {
    Volume<float> frame = read_tiff(file);
    if (all.empty()) {
      all = std::move(frame);
      all.data.reserve(all.data.size() * files.size());
      continue;
    }
    require(frame.extent[1] == all.extent[1] && frame.extent[2] == all.extent[2],
            "{}: {} x {} pixels, the frames before have {} x {}", file, frame.extent[1], frame.extent[2], all.extent[1],
            all.extent[2]);
    all.extent[0] += frame.extent[0];
    all.data.insert(all.data.end(), frame.data.begin(), frame.data.end());
  }
  return all;
}

Volume<float> read_hdf5(const std::string& text) {
  auto [path, array] = split_path(text);
  const auto file = hdf5::open(path);
  if (array.empty())
    for (const char* place : {"/entry_1/instrument_1/detector_1/data", "/entry_1/data_1/data", "/entry/data/data"})
      if (exists(file.get(), place)) {
        array = place;
        break;
      }
  if (array.empty() || !exists(file.get(), array)) {
    const auto arrays = list_arrays(file.get());
    fail("{}: {}; it holds {}", path, array.empty() ? "say which array, FILE:/path/to/array" : "there is no array " + array,
         arrays.empty() ? "no arrays at all" : fmt::format("{}", fmt::join(arrays, ", ")));
  }
  return read_volume(file.get(), array, path);
}

}  // namespace

Volume<float> read_frames(const std::vector<std::string>& paths) {
  require(!paths.empty(), "prepare: no frames named");
  if (paths.size() == 1 && fs::is_directory(paths[0])) {
    std::vector<std::string> files;
    for (const auto& entry : fs::directory_iterator(paths[0]))
      if (is_tiff(entry.path())) files.push_back(entry.path().string());
    require(!files.empty(), "{}: there are no .tif files in this folder", paths[0]);
    std::sort(files.begin(), files.end());
    return read_stack(files);
  }
  if (paths.size() > 1 || is_tiff(paths[0])) {
    for (const auto& path : paths)
      require(is_tiff(path), "{}: a list of frames has to be of .tif files", path);
    return read_stack(paths);
  }
  if (fs::path(paths[0]).extension() == ".npy") {
    auto a = read_npy(paths[0]);
    require(a.extent.size() == 3, "{}: a {}-dimensional array, expected a three-dimensional one", paths[0], a.extent.size());
    Volume<float> v;
    v.extent = {a.extent[0], a.extent[1], a.extent[2]};
    v.data = std::move(a.data);
    return v;
  }
  return read_hdf5(paths[0]);
}

Volume<float> read_field(const std::string& path) {
  if (fs::path(path).extension() == ".npy") {
    auto a = read_npy(path);
    require(a.extent.size() == 2 || a.extent.size() == 3, "{}: a {}-dimensional array, expected two or three", path,
            a.extent.size());
    if (a.extent.size() == 2) a.extent.insert(a.extent.begin(), 1);
    Volume<float> v;
    v.extent = {a.extent[0], a.extent[1], a.extent[2]};
    v.data = std::move(a.data);
    return v;
  }
  return is_tiff(path) ? read_tiff(path) : read_hdf5(path);
}

}  // namespace fringe::io
